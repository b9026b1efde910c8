# SPDX-License-Identifier: Apache-2.0
"""
Decide how a wait for a job ends: which of two facts about the job wins, and the Outcome that the task receives.

:class:`JobWait` is the one decision that the deferred and the blocking path share; the loops around it only do I/O.
Events are hints, the API is the truth. The rules, none of which may be relaxed:

* An event is believed only if it is younger than what the wait already knows: than the last poll that saw the job
  active, or than the beginning of the wait. Anything else (a duplicate from before RetryJobs, an event without a time,
  one from the future, from another region, or one that contradicts itself) only makes the next poll immediate.
* "Could not read" is no fact at all. Only the API's answer that it does not know the job counts, and only after a grace
  period, because a job becomes visible some time after it was submitted. That it refuses the id has to be confirmed.
* A wait ends once. Whatever comes later changes nothing.

All times are the cloud's, never this machine's: see ``protocol/clock.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypedDict

import msgspec
import pendulum

from airflow_batch_events.events.catalog import SETTLING_EVENTS, STARTED_EVENTS, JobState, find_job_state
from airflow_batch_events.events.confirmation import Confirmation
from airflow_batch_events.events.failure import Cause, Failure
from airflow_batch_events.events.message import BatchEvent

NOT_FOUND = "NOT_FOUND"
"""The state in the outcome of a wait for a job that the API does not know."""

TIMEOUT = "TIMEOUT"
"""The state in the outcome of a wait whose deadline passed first."""

NOT_STARTED = "NOT_STARTED"
"""The state in the outcome of a wait for a job that had not begun to run by its start deadline."""

REFUSED = "REFUSED"
"""The state in the outcome of a wait for something that the API does not accept as a job id."""

FUTURE_TOLERANCE = 2.0
"""Seconds by which an event may be ahead of the cloud's clock, which is learned in whole seconds and may be late."""

RECONCILE_INTERVAL = 300.0
"""Default seconds between polls while events can be read."""

DEFAULT_GRACE = 60.0
"""Seconds for which a job that the API does not know counts as not visible yet."""


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
        }

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
        )


def _ended_by(source: object) -> str:
    # Version 0.1.0 wrote "look" for a poll.
    return EndedBy.API.value if source in (None, "look") else str(source)


def text_or_none(value: object) -> str | None:
    """Return a field of another version as text."""
    return None if value is None else str(value)


class WaitDecision(Enum):
    """What a wait wants after it has seen a fact."""

    WAIT = "wait"
    POLL_SOON = "poll soon"
    DONE = "done"


class JobWait:
    """
    A wait for one job to settle.

    :param job_id: The job.
    :param began: The cloud's time, Unix seconds, at which the wait began; None if it is not known yet, and then no
        event is believed before the first poll.
    :param grace: Seconds for which a job that the API does not know counts as not visible yet.
    :param region: The region that the job is in; an event that names another one is not believed. None believes any.
    """

    __slots__ = (
        "_held",
        "_known_since",
        "_missing_since",
        "_refusals",
        "_region",
        "_seen_at",
        "grace",
        "has_started",
        "job_id",
        "last_state",
        "outcome",
        "polls",
    )

    def __init__(
        self,
        job_id: str,
        began: float | None,
        grace: float = DEFAULT_GRACE,
        region: str | None = None,
    ) -> None:
        self.job_id = job_id
        self.grace = grace
        self.outcome: Outcome | None = None
        self.last_state: str | None = None
        self.has_started = False
        self.polls = 0
        self._known_since = began
        self._seen_at: float | None = None
        self._missing_since: float | None = None
        self._region = region
        self._refusals: Confirmation | None = None
        self._held: BatchEvent | None = None

    @property
    def is_done(self) -> bool:
        """Whether the wait has ended."""
        return self.outcome is not None

    @property
    def is_missing(self) -> bool:
        """Whether the API said, when last asked, that it does not know the job."""
        return self._missing_since is not None

    @property
    def is_refused(self) -> bool:
        """Whether the API said, when last asked, that this cannot be a job id."""
        return self._refusals is not None and self._refusals.is_open

    def on_event(self, event: BatchEvent, now: float) -> WaitDecision:
        """
        Take an event about this job.

        :param now: The cloud's time, Unix seconds.
        """
        if self.outcome is not None:
            return WaitDecision.DONE
        state = SETTLING_EVENTS.get(event.known_name) if event.known_name else None
        if state is None and event.known_name not in STARTED_EVENTS:
            return WaitDecision.WAIT
        if not self._may_be_true(event, now):
            return WaitDecision.POLL_SOON
        if state is None:
            # What is old may be of a run before RetryJobs; the poll before the start deadline tells.
            self.has_started = self.has_started or self._is_news(event)
            return WaitDecision.WAIT
        if self._held is None or _is_younger(event, self._held):
            self._held = event
        if not self._is_news(event) or not _is_consistent(event, state):
            return WaitDecision.POLL_SOON
        return self._end(state, EndedBy.EVENT)

    def on_poll(self, state: str | None, as_of: float) -> WaitDecision:
        """
        Take the API's answer about this job.

        :param state: The job's state, or None when the API does not know the job: a fact, never what could not be read.
        :param as_of: The cloud's time of the answer, Unix seconds.
        """
        if self.outcome is not None:
            return WaitDecision.DONE
        self.polls += 1
        self._refusals = None
        if state is None:
            return self._miss(as_of)
        self._missing_since = None
        self._seen_at = as_of if self._seen_at is None else max(self._seen_at, as_of)
        self._known_since = as_of if self._known_since is None else max(self._known_since, as_of)
        self.last_state = state
        self.has_started = self.has_started or state == JobState.RUNNING.value
        known = find_job_state(state)
        if known is None or not known.is_settled:
            return WaitDecision.WAIT
        return self._end(known, EndedBy.API)

    def on_refusal(self, reason: str, as_of: float) -> WaitDecision:
        """
        Take the API's answer that this cannot be a job id; it ends the wait once it is confirmed.

        :param reason: The API's words.
        :param as_of: The time of the answer, in the seconds that :meth:`on_poll` is given.
        """
        if self.outcome is not None:
            return WaitDecision.DONE
        self.polls += 1
        if self._refusals is None:
            self._refusals = Confirmation()
        if not self._refusals.add(as_of):
            return WaitDecision.WAIT
        return self._end_badly(REFUSED, EndedBy.API, reason)

    def on_clock_jump(self) -> None:
        """Forget all times, because the clock that told them has jumped: the next poll tells where the job is."""
        self._known_since = self._seen_at = self._missing_since = self._refusals = None

    def on_deadline(self) -> WaitDecision:
        """End the wait because its time is over."""
        reason = f"the deadline passed before the job ended; {self._seen}"
        return self._end_badly(TIMEOUT, EndedBy.DEADLINE, reason, Cause.TIMEOUT)

    def on_start_deadline(self) -> WaitDecision:
        """End the wait if the job has not begun to run."""
        if self.has_started or self.outcome is not None:
            return WaitDecision.DONE if self.outcome is not None else WaitDecision.WAIT
        return self._end_badly(NOT_STARTED, EndedBy.DEADLINE, f"it had not begun to run in time; {self._seen}")

    @property
    def _seen(self) -> str:
        return f"last seen {self.last_state}" if self.last_state else "its state was never seen"

    def _may_be_true(self, event: BatchEvent, now: float) -> bool:
        if self._region is not None and event.region and event.region != self._region:
            return False
        return event.time is None or event.time.timestamp() <= now + FUTURE_TOLERANCE

    def _is_news(self, event: BatchEvent) -> bool:
        if event.time is None or self._known_since is None:
            return False
        return self._known_since < event.time.timestamp()

    def _miss(self, as_of: float) -> WaitDecision:
        if self._missing_since is None:
            self._missing_since = as_of
        if as_of - self._missing_since < self.grace:
            return WaitDecision.WAIT
        last = self._last_heard
        if last is not None:
            # Only a settled job can be deleted, so the last thing that was heard of it is how it ended.
            return self._end(last, EndedBy.EVENT)
        why = "the job was deleted" if self.last_state else "the id is wrong, or the job was deleted"
        reason = f"the API has not known the job for {self.grace:g} s: {why}"
        return self._end_badly(NOT_FOUND, EndedBy.API, reason, Cause.DELETED if self.last_state else Cause.UNKNOWN)

    @property
    def _last_heard(self) -> JobState | None:
        """How the job ended by the last event about it, unless the API has seen it active after that."""
        event = self._held
        if event is None or event.time is None or event.known_name is None:
            return None
        if self._seen_at is not None and event.time.timestamp() <= self._seen_at:
            return None
        state = SETTLING_EVENTS[event.known_name]
        return state if _is_consistent(event, state) else None

    def _end(self, state: JobState, source: EndedBy) -> WaitDecision:
        event = self._held if self._held and self._held.name == f"JOB_{state}" else None
        if self.outcome is None:
            self.outcome = Outcome(
                job_id=self.job_id,
                state=state.value,
                succeeded=state is JobState.SUCCEED,
                event_name=event.name if event else None,
                event_time=_iso(event.time) if event else None,
                event_vars=dict(event.vars) if event else {},
                source=source.value,
            )
        return WaitDecision.DONE

    def _end_badly(self, state: str, source: EndedBy, reason: str, cause: Cause = Cause.UNKNOWN) -> WaitDecision:
        if self.outcome is None:
            failure = Failure(self.job_id, state, cause.value)
            self.outcome = Outcome(
                self.job_id, state, succeeded=False, reason=reason, source=source.value, failure=failure
            )
        return WaitDecision.DONE


def _is_consistent(event: BatchEvent, state: JobState) -> bool:
    reported = event.batch.get("JobState")
    return reported is None or reported == state.value


def _is_younger(event: BatchEvent, other: BatchEvent) -> bool:
    return event.time is not None and (other.time is None or event.time >= other.time)


def _iso(time: pendulum.DateTime | None) -> str | None:
    return time.to_iso8601_string() if time else None
