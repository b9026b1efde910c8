# SPDX-License-Identifier: Apache-2.0
"""
How long a job waited and ran, from the times that events and answers tell; pure.

The rule that must not be relaxed: nothing is measured by when something was heard of. A time that nobody has told is
not known, and neither is a duration that begins or ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pendulum import DateTime

from airflow_batch_events.events.catalog import STARTED_EVENTS
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.times import parse_time


class JobTimes(msgspec.Struct, frozen=True):
    """
    When a job was created, began to run and ended, in Unix seconds of the cloud; None where that is not known.

    :param instances: How many task instances it has.
    """

    created: float | None = None
    began: float | None = None
    ended: float | None = None
    instances: int | None = None

    @property
    def queued_seconds(self) -> float | None:
        """Seconds from its creation until its first instance ran."""
        return _between(self.created, self.began)

    @property
    def running_seconds(self) -> float | None:
        """Seconds from when its first instance ran until it ended."""
        return _between(self.began, self.ended)

    def with_event(self, event: BatchEvent) -> JobTimes:
        """
        Return the times with those of an event about the job.

        :param event: That it has begun to run, or how it has ended.
        """
        told = msgspec.structs.replace(self, created=_unix(parse_time(event.batch.get("CreateTime"))) or self.created)
        if event.known_name in STARTED_EVENTS:
            return msgspec.structs.replace(told, began=_first([self.began, _unix(event.time)]))
        ended = _unix(parse_time(event.batch.get("EndTime"))) or _unix(event.time)
        return msgspec.structs.replace(told, ended=ended or self.ended)


def times_of(
    created: DateTime | None, ended: DateTime | None, began: Iterable[DateTime | None], instances: int
) -> JobTimes:
    """
    Return the times that the API's answers about a job tell.

    :param created: When it was created.
    :param ended: When it ended.
    :param began: When instances of it began to run.
    :param instances: How many it has; zero where that is not told.
    """
    return JobTimes(_unix(created), _first(map(_unix, began)), _unix(ended), instances or None)


def instances_in(job: Mapping[str, Any]) -> int | None:
    """Return how many task instances a job's description asks for; None where it does not say so in numbers."""
    tasks = job.get("Tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        return None
    counts = [task.get("TaskInstanceNum", 1) for task in tasks]
    return sum(counts) if counts and all(type(count) is int for count in counts) else None


def _between(start: float | None, end: float | None) -> float | None:
    # The cloud tells whole seconds, and each of its parts its own: less than nothing is nothing.
    return None if start is None or end is None else max(0.0, end - start)


def _first(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _unix(time: DateTime | None) -> float | None:
    return None if time is None else time.timestamp()
