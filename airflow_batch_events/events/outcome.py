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

from enum import Enum

import pendulum

from airflow_batch_events.events.catalog import SETTLING_EVENTS, STARTED_EVENTS, JobState, find_job_state
from airflow_batch_events.events.confirmation import Confirmation
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.failure import Cause, Failure
from airflow_batch_events.events.outcomes.job_outcome import (
    NOT_FOUND,
    NOT_STARTED,
    REFUSED,
    TIMEOUT,
    EndedBy,
    Outcome,
    OutcomeDict,
    text_or_none,
)

__all__ = [
    "DEFAULT_GRACE",
    "FUTURE_TOLERANCE",
    "NOT_FOUND",
    "NOT_STARTED",
    "RECONCILE_INTERVAL",
    "REFUSED",
    "TIMEOUT",
    "EndedBy",
    "JobWait",
    "Outcome",
    "OutcomeDict",
    "WaitDecision",
    "text_or_none",
]

FUTURE_TOLERANCE = 2.0
"""Seconds by which an event may be ahead of the cloud's clock, which is learned in whole seconds and may be late."""

RECONCILE_INTERVAL = 300.0
"""Default seconds between polls while events can be read."""

DEFAULT_GRACE = 60.0
"""Seconds for which a job that the API does not know counts as not visible yet."""


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
        "_began",
        "_held",
        "_known_since",
        "_missing_since",
        "_refusals",
        "_region",
        "_seen_at",
        "_times",
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
        self._began = began
        self._known_since = began
        self._seen_at: float | None = None
        self._missing_since: float | None = None
        self._region = region
        self._refusals: Confirmation | None = None
        self._held: BatchEvent | None = None
        self._times = JobTimes()

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
            self._times = self._times.with_event(event) if self._is_of_this_run(event) else self._times
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
        self._began = self._known_since = self._seen_at = self._missing_since = self._refusals = None

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

    def _is_of_this_run(self, event: BatchEvent) -> bool:
        """Whether an event is younger than the wait, so that it is not of a run before RetryJobs."""
        return event.time is not None and self._began is not None and event.time.timestamp() >= self._began

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
            times = self._times if event is None else self._times.with_event(event)
            outcome = Outcome(
                job_id=self.job_id,
                state=state.value,
                succeeded=state is JobState.SUCCEED,
                event_name=event.name if event else None,
                event_time=_iso(event.time) if event else None,
                event_vars=dict(event.vars) if event else {},
                source=source.value,
            )
            self.outcome = outcome.with_times(times)
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
