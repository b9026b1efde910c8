# SPDX-License-Identifier: Apache-2.0
"""
What a task that has run many jobs returns and says: one small object for each job, or a summary; pure.

A job that succeeded takes 50 bytes, so that ten thousand of them are an XCom of half a megabyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.events.many.run import NOT_SUBMITTED, STILL_RUNNING
from airflow_batch_events.text import printable

MAX_FAILED = 100
"""Failed jobs that a summary names."""

MAX_NAMED = 5
"""Failed jobs that an error names."""

MAX_REASON = 200
"""Characters of the reason of one job."""


def state_of(item: Item) -> str:
    """Return the state in a job's outcome."""
    if item.state is not None:
        return item.state
    return NOT_SUBMITTED if item.job_id is None else STILL_RUNNING


def outcome_of(item: Item) -> dict[str, Any]:
    """Return a job's outcome: its id, its state, and the reason where there is one."""
    outcome = {"job_id": item.job_id, "state": state_of(item)}
    return {**outcome, "reason": printable(item.reason, MAX_REASON)} if item.reason else outcome


def outcomes_of(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return the outcomes of all jobs, in their order."""
    return [outcome_of(item) for item in items]


def summary_of(items: Sequence[Item]) -> dict[str, Any]:
    """Return how many jobs ended how, and the first of those that did not succeed, each with its place in the list."""
    states = Counter(map(state_of, items))
    failed = failures_in(items)
    return {
        "total": len(items),
        "succeeded": states[JobState.SUCCEED.value],
        "states": dict(sorted(states.items())),
        "failed": [{"index": index, **outcome_of(items[index])} for index in failed[:MAX_FAILED]],
    }


def failures_in(items: Sequence[Item]) -> list[int]:
    """Return the places of the jobs that did not succeed: those that have ended first, then those that have not."""
    ended = [index for index, item in enumerate(items) if item.state not in (None, JobState.SUCCEED.value)]
    return ended + [index for index, item in enumerate(items) if item.state is None]


def failure_text(items: Sequence[Item], why: str | None) -> str:
    """
    Return what has failed, for an error.

    :param items: The jobs, some of which have failed.
    :param why: Why the run ended before all jobs had; None when they have.
    """
    states = Counter(map(state_of, items))
    good = states.pop(JobState.SUCCEED.value, 0)
    text = f"{good} of {len(items)} jobs succeeded; " + ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    if why:
        text += f" ({printable(why, 500)})"
    failed = [index for index in failures_in(items) if items[index].state is not None]
    named = []
    for index in failed[:MAX_NAMED]:
        one = outcome_of(items[index])
        reason = f": {one['reason']}" if "reason" in one else ""
        named.append(f"jobs[{index}] {one['job_id'] or 'was not submitted'} {one['state']}{reason}")
    if named:
        text += f". {'; '.join(named)}" + (f"; and {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else "")
    return text
