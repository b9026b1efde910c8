# SPDX-License-Identifier: Apache-2.0
"""
Ask the Batch API what states jobs are in, once or until they have settled, and block meanwhile.

What an answer does not tell is not known, which ends nothing: neither an outage nor an answer that contradicts itself.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.outcome import DEFAULT_GRACE, JobWait, Outcome
from airflow_batch_events.exceptions import ApiParameterError, CloudError, CredentialsError, TransportError
from airflow_batch_events.limits import MAX_IDS
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.id_batches import IdBatches
from airflow_batch_events.protocol.apis.job_poll import poll_jobs, run_blocking

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request

T = TypeVar("T")

VISIBILITY_CHECK = 5.0
"""Seconds between polls of a job that is not visible yet."""


class JobPollingMixin(ABC):
    """The part of a hook that polls jobs."""

    log: Any

    @abstractmethod
    def send(self, request: Request[T]) -> T:
        """Send a request."""

    def get_job_state(self, job_id: str) -> str | None:
        """
        Return the job's state, or None when the API does not know the job.

        :raises TransportError: When the answer does not tell.
        """
        return state_in(self.send(batch.describe_job_states([job_id])), job_id)

    def get_job_states(self, job_ids: Sequence[str]) -> dict[str, str]:
        """
        Return the states of the jobs that the API knows, in calls of up to 100.

        :raises ApiParameterError: When one of the ids cannot be a job id.
        :raises TransportError: When an answer contradicts itself.
        """
        states: dict[str, str] = {}
        for start in range(0, len(job_ids), MAX_IDS):
            answer = self.send(batch.describe_job_states(job_ids[start : start + MAX_IDS]))
            if not answer.is_consistent:
                raise TransportError("DescribeJobs: the answer about the jobs contradicts itself")
            states.update(answer.states)
        return states

    def poll(self, waits: Sequence[JobWait], as_of: float) -> None:
        """
        Bring the API's answer to the waits that have not ended; what it does not tell changes nothing.

        :param waits: The waits.
        :param as_of: Seconds of a clock that does not step, for measuring how long a job has been unknown.
        :raises CloudError: When a call failed, after all others have been made that may be answered.
        """
        open_waits = {wait.job_id: wait for wait in waits if not wait.is_done}
        batches = IdBatches(list(open_waits), {job_id: 1 for job_id, wait in open_waits.items() if wait.is_refused})
        told = _Told(open_waits, as_of, self.log)
        run_blocking(poll_jobs(batches, told), lambda ids: self.send(batch.describe_job_states(ids)))
        if told.failure is not None:
            raise told.failure

    def poll_at_once(
        self, waits: Sequence[JobWait], *, sleep: Callable[[float], None] = time.sleep, confirm: bool = False
    ) -> None:
        """
        Poll once, for a wait that is polled now and then, and survive an outage.

        :param waits: The waits.
        :param sleep: Waits between polls.
        :param confirm: Whether to go on as long as the API does not know a job or refuses its id, because the next
            poll will not remember this one: a minute at the most.
        :raises CredentialsError: When the cloud refuses the connection's keys.
        """
        while True:
            try:
                self.poll(waits, time.monotonic())
            except CloudError as error:
                self.log.warning("Cannot poll %d Batch jobs, will try again: %s", len(waits), error)
                return
            is_refused, is_missing = (
                any(getattr(wait, name) and not wait.is_done for wait in waits) for name in ("is_refused", "is_missing")
            )
            if not confirm or not (is_refused or is_missing):
                return
            sleep(CONFIRM_INTERVAL if is_refused else VISIBILITY_CHECK)

    def wait_for_jobs(
        self,
        job_ids: Sequence[str],
        *,
        poll_interval: float = 30.0,
        timeout: float | None = None,
        start_timeout: float | None = None,
        grace: float = DEFAULT_GRACE,
        sleep: Callable[[float], None] = time.sleep,
        beside: Callable[[], None] | None = None,
    ) -> list[Outcome]:
        """
        Wait on this worker until every job has settled, by polling the API in batches.

        :param job_ids: The jobs, each once.
        :param poll_interval: Seconds between polls.
        :param timeout: Seconds after which the wait is over; None waits without end.
        :param start_timeout: Seconds after which the wait is over for a job that has not begun to run.
        :param grace: Seconds for which a job that the API does not know counts as not visible yet.
        :param sleep: Waits between polls.
        :param beside: Called between two polls, in the time between them.
        :return: One outcome for each job, in the order of ``job_ids``.
        :raises CredentialsError: When the cloud refuses the connection's keys at first contact.
        """
        waits = [JobWait(job_id, None, grace) for job_id in job_ids]
        began = time.monotonic()
        has_answered = False
        while True:
            try:
                self.poll(waits, time.monotonic())
                has_answered = True
            except (CloudError, CredentialsError) as error:
                # Keys that were good once are on their way to be exchanged; the client asks for them at each poll.
                if isinstance(error, CredentialsError) and not has_answered:
                    raise
                # What could not be read is not known, which ends nothing; the next poll will tell.
                self.log.warning("Cannot poll %d Batch jobs, will try again: %s", len(waits), error)
            passed = time.monotonic() - began
            for wait in waits:
                if start_timeout is not None and passed >= start_timeout:
                    wait.on_start_deadline()
                if timeout is not None and passed >= timeout:
                    wait.on_deadline()
            outcomes = [wait.outcome for wait in waits if wait.outcome is not None]
            if len(outcomes) == len(waits):
                return outcomes
            ends = [limit - passed for limit in (timeout, start_timeout) if limit is not None and limit > passed]
            if any(wait.is_refused and not wait.is_done for wait in waits):
                ends.append(CONFIRM_INTERVAL)
            pause, paused_at = min([poll_interval, *ends]), time.monotonic()
            if beside is not None:
                beside()
                pause = max(0.0, pause - (time.monotonic() - paused_at))
            sleep(pause)


class _Told:
    """
    Brings the answers of one poll to the waits; keeps the last failure.

    :param waits: The open waits by job id.
    :param as_of: When the poll was made, in seconds of a clock that does not step.
    :param log: The task's log.
    """

    def __init__(self, waits: Mapping[str, JobWait], as_of: float, log: Any) -> None:
        self.failure: CloudError | None = None
        self._waits = waits
        self._as_of = as_of
        self._log = log

    def on_poll(self, job_id: str, state: str | None) -> None:
        self._waits[job_id].on_poll(state, self._as_of)

    def on_refusal(self, job_id: str, error: ApiParameterError) -> None:
        self._waits[job_id].on_refusal(f"{error.code}: {error.message}", self._as_of)

    def on_answer(self, batches: IdBatches, ids: list[str], unread: Sequence[str]) -> bool:
        if unread:
            self._log.warning("The API's answer does not tell the state of %d of %d jobs", len(unread), len(ids))
        return len(unread) < len(ids) or batches.failed(ids)

    def on_error(self, batches: IdBatches, ids: list[str], error: Exception) -> bool:
        if not isinstance(error, CloudError):
            raise error
        self.failure = error
        return batches.failed(ids)


def state_in(answer: batch.JobStates, job_id: str) -> str | None:
    """
    Return the state of a job that was asked for alone, or None when the API does not know it.

    :raises TransportError: When the answer does not tell.
    """
    if answer.unread([job_id]):
        raise TransportError(f"DescribeJobs: the answer does not tell the state of job {job_id}")
    return answer.states.get(job_id)
