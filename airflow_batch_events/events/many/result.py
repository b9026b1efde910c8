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
from airflow_batch_events.events.many.facts import cause_of
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.events.many.run import NOT_SUBMITTED, STILL_RUNNING
from airflow_batch_events.events.outcomes.failure import Cause
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
    """
    Return a job's outcome: its id and its state, and for one that has ended badly the cause, what was read, and why.

    What is not known is left out, so that a job that has succeeded, and one that was not read, is small.
    """
    outcome: dict[str, Any] = {"job_id": item.job_id, "state": state_of(item)}
    if (cause := _cause_of(item)) is not None:
        outcome["cause"] = cause
    if item.facts is not None:
        facts = {name: getattr(item.facts, name) for name in ("task_name", "instance", "exit_code")}
        outcome |= {name: value for name, value in facts.items() if value is not None}
    return {**outcome, "reason": printable(item.reason, MAX_REASON)} if item.reason else outcome


def outcomes_of(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return the outcomes of all jobs, in their order."""
    return [outcome_of(item) for item in items]


def summary_of(items: Sequence[Item]) -> dict[str, Any]:
    """Return how many jobs ended how and why, and the first that did not succeed, each with its place in the list."""
    states = Counter(map(state_of, items))
    return {
        "total": len(items),
        "succeeded": states[JobState.SUCCEED.value],
        "states": dict(sorted(states.items())),
        "causes": causes_in(items),
        "failed": failed_jobs(items),
    }


def causes_in(items: Sequence[Item]) -> dict[str, int]:
    """Return how many of the jobs that have ended badly have which cause, the most frequent first."""
    return dict(Counter(cause for cause in map(_cause_of, items) if cause is not None).most_common())


def ends_since(before: Sequence[Item], items: Sequence[Item]) -> Counter[tuple[str, str | None]]:
    """
    Count the jobs that have ended in a wait, by state and cause.

    :param before: The jobs as it began with them.
    :param items: The jobs as it has left them.
    """
    ends: Counter[tuple[str, str | None]] = Counter()
    for old, new in zip(before, items, strict=True):
        if new.state is not None and (old.number, old.state) != (new.number, new.state):
            ends[new.state, _cause_of(new)] += 1
    return ends


def failed_jobs(items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return the outcomes of the first jobs that did not succeed, each with its place in the list."""
    return [{"index": index, **outcome_of(items[index])} for index in failures_in(items)[:MAX_FAILED]]


def failures_in(items: Sequence[Item]) -> list[int]:
    """
    Return the places of the jobs that did not succeed.

    Those come first that were read, then the others that have ended, then those that have not.
    """
    ended = [index for index, item in enumerate(items) if item.state not in (None, JobState.SUCCEED.value)]
    ended.sort(key=lambda index: not was_read(items[index]))
    return ended + [index for index, item in enumerate(items) if item.state is None]


def was_read(item: Item) -> bool:
    """Whether it is known which part of a job has failed."""
    return item.facts is not None and item.facts.task_name is not None


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
    causes = causes_in(items)
    if causes.keys() - {Cause.UNKNOWN.value}:
        text += f". Causes: {', '.join(f'{cause} {count}' for cause, count in causes.items())}"
    failed = [index for index in failures_in(items) if items[index].state is not None]
    named = []
    for index in failed[:MAX_NAMED]:
        one = outcome_of(items[index])
        reason = f": {one['reason']}" if "reason" in one else ""
        named.append(f"jobs[{index}] {one['job_id'] or 'was not submitted'} {one['state']}{reason}")
    if named:
        text += f". {'; '.join(named)}" + (f"; and {len(failed) - MAX_NAMED} more" if len(failed) > MAX_NAMED else "")
    return text


def _cause_of(item: Item) -> str | None:
    """Return why a job has ended badly; None for one that has not."""
    return None if item.state in (None, JobState.SUCCEED.value) else cause_of(state_of(item), item.facts)
