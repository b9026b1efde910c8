# SPDX-License-Identifier: Apache-2.0
"""
How a wait for a job ended, as the task receives it: a value that goes through JSON.

The rule that must not be relaxed: what another version has written is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypedDict

import msgspec

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.failure import Failure

NOT_FOUND = "NOT_FOUND"
"""The state in the outcome of a wait for a job that the API does not know."""

TIMEOUT = "TIMEOUT"
"""The state in the outcome of a wait whose deadline passed first."""

NOT_STARTED = "NOT_STARTED"
"""The state in the outcome of a wait for a job that had not begun to run by its start deadline."""

REFUSED = "REFUSED"
"""The state in the outcome of a wait for something that the API does not accept as a job id."""


class EndedBy(str, Enum):
    """What ended a wait."""

    EVENT = "event"
    API = "api"
    DEADLINE = "deadline"


class OutcomeDict(TypedDict):
    """An :class:`Outcome` as XCom and trigger payloads hold it."""

    job_id: str
    state: str
    succeeded: bool
    event_name: str | None
    event_time: str | None
    event_vars: dict[str, str]
    reason: str | None
    source: str
    failure: dict[str, Any] | None
    queued_seconds: float | None
    running_seconds: float | None
    instances: int | None


class Outcome(msgspec.Struct, frozen=True):
    """
    How a wait ended, as the task receives it in XCom and in the trigger's event.

    :param job_id: The job.
    :param state: ``SUCCEED``, ``FAILED``, ``FAILED_INTERRUPTED``, or ``NOT_FOUND``, ``TIMEOUT``,
        ``NOT_STARTED``, ``REFUSED``.
    :param succeeded: Whether the job ended well.
    :param event_name: The event that ended the wait or agrees with it; None when none was received.
    :param event_time: The event's time, ISO 8601 in UTC.
    :param event_vars: The custom parameters that came with the event.
    :param reason: Why, in words, where the state alone does not say it.
    :param source: ``event``, ``api`` (a poll) or ``deadline``.
    :param failure: The facts of a failure; None for a success, and for a failed job about which nothing was read.
    :param queued_seconds: Seconds from the job's creation until its first instance ran; None where that is not known.
    :param running_seconds: Seconds from then until the job ended; None where that is not known.
    :param instances: How many task instances the job has; None where that is not known.
    """

    job_id: str
    state: str
    succeeded: bool
    event_name: str | None = None
    event_time: str | None = None
    event_vars: Mapping[str, str] = {}
    reason: str | None = None
    source: str = EndedBy.API.value
    failure: Failure | None = None
    queued_seconds: float | None = None
    running_seconds: float | None = None
    instances: int | None = None

    def to_dict(self) -> OutcomeDict:
        """Return the outcome as JSON-serializable data."""
        return {
            "job_id": self.job_id,
            "state": self.state,
            "succeeded": self.succeeded,
            "event_name": self.event_name,
            "event_time": self.event_time,
            "event_vars": dict(self.event_vars),
            "reason": self.reason,
            "source": self.source,
            "failure": None if self.failure is None else self.failure.to_dict(),
            "queued_seconds": self.queued_seconds,
            "running_seconds": self.running_seconds,
            "instances": self.instances,
        }

    def with_times(self, times: JobTimes) -> Outcome:
        """Return the outcome with what these times tell and it does not; events tell more exactly than answers."""
        return msgspec.structs.replace(
            self,
            queued_seconds=times.queued_seconds if self.queued_seconds is None else self.queued_seconds,
            running_seconds=times.running_seconds if self.running_seconds is None else self.running_seconds,
            instances=times.instances if self.instances is None else self.instances,
        )

    @classmethod
    def from_dict(cls, data: object) -> Outcome:
        """
        Read an outcome back, whichever version has written it: what is not known is ignored, what is missing defaulted.

        :raises ValueError: When ``data`` does not say which job has ended, or how.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"not the outcome of a wait: a {type(data).__name__}")
        job_id, state = data.get("job_id"), data.get("state")
        if not isinstance(job_id, str) or not isinstance(state, str):
            raise ValueError(f"not the outcome of a wait, which has a job_id and a state: {sorted(map(str, data))}")
        succeeded, event_vars = data.get("succeeded"), data.get("event_vars")
        return cls(
            job_id=job_id,
            state=state,
            succeeded=succeeded if isinstance(succeeded, bool) else state == JobState.SUCCEED.value,
            event_name=text_or_none(data.get("event_name")),
            event_time=text_or_none(data.get("event_time")),
            event_vars={str(name): str(value) for name, value in event_vars.items()}
            if isinstance(event_vars, Mapping)
            else {},
            reason=text_or_none(data.get("reason")),
            source=_ended_by(data.get("source")),
            failure=Failure.from_dict(data.get("failure")),
            queued_seconds=_number_or_none(data.get("queued_seconds")),
            running_seconds=_number_or_none(data.get("running_seconds")),
            instances=count_of(data.get("instances")),
        )


def _ended_by(source: object) -> str:
    # Version 0.1.0 wrote "look" for a poll.
    return EndedBy.API.value if source in (None, "look") else str(source)


def _number_or_none(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count_of(value: object) -> int | None:
    """Return a number of instances that another version may have written; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_or_none(value: object) -> str | None:
    """Return a field of another version as text."""
    return None if value is None else str(value)
