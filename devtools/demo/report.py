# SPDX-License-Identifier: Apache-2.0
"""
Compare how the runs ended with what was expected: one row of the table for each run, and its problems.

Pure, because this decides the exit status of the demo; what it is given are Airflow's own records and the times at
which events arrived.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devtools.demo.expectations import ExpectedRun


@dataclass(frozen=True)
class RunRecord:
    """
    What Airflow knows of a run that has ended.

    :param state: ``success`` or ``failed``.
    :param tasks: Its task instances, as the REST API gives them.
    :param outcomes: What its waits handed on.
    :param ended_by: What ended how many of them, where the outcomes do not say it.
    """

    state: str
    tasks: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Mapping[str, Any]]
    ended_by: Mapping[str, int] | None = None

    @property
    def sources(self) -> Counter[str]:
        """How many waits were ended by what."""
        if self.ended_by is not None:
            return Counter(self.ended_by)
        return Counter(str(outcome["source"]) for outcome in self.outcomes)


@dataclass(frozen=True)
class Row:
    """A line of the table; ``problems`` is empty when the run ended as expected."""

    run: str
    job: str
    outcome: str
    ended_by: str
    branch: str
    seconds: float | None
    problems: tuple[str, ...]


def make_row(expected: ExpectedRun, record: RunRecord, arrivals: Mapping[str, datetime]) -> Row:
    """
    Compare a run with what was expected of it.

    :param expected: How it should have ended.
    :param record: How it ended.
    :param arrivals: When the event that settled a job was read, by job id.
    """
    states = Counter(str(outcome["state"]) for outcome in record.outcomes)
    taken = [task for task in record.tasks if task["task_id"] in expected.branches and task["state"] == "success"]
    job_ids = [str(outcome["job_id"]) for outcome in record.outcomes]
    return Row(
        run=expected.title,
        job=job_ids[0] if len(job_ids) == 1 else f"{len(set(job_ids))} jobs",
        outcome=_listed(states),
        ended_by=_listed(record.sources),
        branch=", ".join(task["task_id"] for task in taken) or "none",
        seconds=_seconds_to_next_task(record.outcomes, taken, arrivals),
        problems=tuple(_problems(expected, record, states, [task["task_id"] for task in taken], job_ids)),
    )


def _problems(
    expected: ExpectedRun, record: RunRecord, states: Counter[str], taken: Sequence[str], job_ids: Sequence[str]
) -> list[str]:
    problems = []
    if record.state != "success":
        failed = [task["task_id"] for task in record.tasks if task["state"] in ("failed", "upstream_failed")]
        problems.append(f"the run is {record.state} ({', '.join(sorted(set(failed))) or 'no task failed'})")
    if len(set(job_ids)) != expected.jobs:
        problems.append(f"{len(set(job_ids))} of {expected.jobs} jobs have an outcome")
    if wrong := {state: count for state, count in states.items() if state != expected.state}:
        problems.append(f"ended {_listed(Counter(wrong))} instead of {expected.state}")
    if others := len(record.outcomes) - record.sources[expected.ended_by]:
        problems.append(f"{others} of {len(record.outcomes)} waits were not ended by {expected.ended_by}")
    if list(taken) != [expected.branch]:
        problems.append(f"went to {', '.join(taken) or 'no branch'} instead of {expected.branch}")
    return problems


def _seconds_to_next_task(
    outcomes: Sequence[Mapping[str, Any]], taken: Sequence[Mapping[str, Any]], arrivals: Mapping[str, datetime]
) -> float | None:
    """Return the seconds from the last event, which the wait may have lost, to the start of the task after it."""
    times = [arrivals[outcome["job_id"]] for outcome in outcomes if outcome["job_id"] in arrivals]
    if not times or len(taken) != 1 or not taken[0].get("start_date"):
        return None
    return (read_time(taken[0]["start_date"]) - max(times)).total_seconds()


def read_time(text: str) -> datetime:
    """Read a time as the REST API writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


_ENDED_BY = re.compile(r"ended by (?P<counts>[a-z]+ \d+(?:, [a-z]+ \d+)*)")


def read_ended_by(log: str) -> Counter[str]:
    """Return what ended how many jobs, as the last line about it says in the log of a task that has run many."""
    lines = _ENDED_BY.findall(log)
    parts = [part.split(" ") for part in lines[-1].split(", ")] if lines else []
    return Counter({what: int(count) for what, count in parts})


def _listed(counts: Counter[str]) -> str:
    if sum(counts.values()) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
