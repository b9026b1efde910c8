# SPDX-License-Identifier: Apache-2.0
"""
Ask the Batch API what states jobs are in, once or until they have settled, and block meanwhile.

What an answer does not tell is not known, which ends nothing: neither an outage nor an answer that contradicts itself.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.outcome import DEFAULT_GRACE, JobWait, Outcome
from airflow_batch_events.exceptions import ApiParameterError, CloudError, CredentialsError, TransportError
from airflow_batch_events.limits import MAX_IDS
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.id_batches import IdBatches

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request

T = TypeVar("T")

VISIBILITY_CHECK = 5.0
"""Seconds between looks at a job that is not visible yet."""


class JobPollingMixin(ABC):
    """The part of a hook that looks at jobs."""

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
        failure: CloudError | None = None
        while (ids := batches.take()) is not None:
            try:
                answer = self.send(batch.describe_job_states(ids))
            except ApiParameterError as error:
                refused = batches.refused(ids)
                if refused is not None:
                    open_waits[refused].on_refusal(f"{error.code}: {error.message}", as_of)
                continue
            except CloudError as error:
                failure = error
                if not batches.failed(ids):
                    break
                continue
            unread = set(answer.unread(ids))
            if unread:
                self.log.warning("The API's answer does not tell the state of %d of %d jobs", len(unread), len(ids))
            if len(unread) < len(ids):
                batches.is_answered = True
            elif not batches.failed(ids):
                break
            for job_id in ids:
                if job_id not in unread:
                    open_waits[job_id].on_poll(answer.states.get(job_id), as_of)
        if failure is not None:
            raise failure

    def poll_at_once(
        self, waits: Sequence[JobWait], *, sleep: Callable[[float], None] = time.sleep, confirm: bool = False
    ) -> None:
        """
        Look once, for a wait that is looked at now and then, and survive an outage.

        :param waits: The waits.
        :param sleep: Waits between looks.
        :param confirm: Whether to look on as long as the API does not know a job or refuses its id, because the next
            look will not remember this one: a minute at the most.
        :raises CredentialsError: When the cloud refuses the connection's keys.
        """
        while True:
            try:
                self.poll(waits, time.monotonic())
            except CloudError as error:
                self.log.warning("Cannot look at %d Batch jobs, will look again: %s", len(waits), error)
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
    ) -> list[Outcome]:
        """
        Wait on this worker until every job has settled, by looking at the API in batches.

        :param job_ids: The jobs, each once.
        :param poll_interval: Seconds between looks.
        :param timeout: Seconds after which the wait is over; None waits without end.
        :param start_timeout: Seconds after which the wait is over for a job that has not begun to run.
        :param grace: Seconds for which a job that the API does not know counts as not visible yet.
        :param sleep: Waits between looks.
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
                # Keys that were good once are on their way to be exchanged; the client asks for them at each look.
                if isinstance(error, CredentialsError) and not has_answered:
                    raise
                # What could not be read is not known, which ends nothing; the next look will tell.
                self.log.warning("Cannot look at %d Batch jobs, will look again: %s", len(waits), error)
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
            sleep(min([poll_interval, *ends]))


def state_in(answer: batch.JobStates, job_id: str) -> str | None:
    """
    Return the state of a job that was asked for alone, or None when the API does not know it.

    :raises TransportError: When the answer does not tell.
    """
    if answer.unread([job_id]):
        raise TransportError(f"DescribeJobs: the answer does not tell the state of job {job_id}")
    return answer.states.get(job_id)
