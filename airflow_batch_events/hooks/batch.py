# SPDX-License-Identifier: Apache-2.0
"""The Batch API for tasks: what operators and sensors call on a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import structs

from airflow_batch_events.airflow_compat.connection_form import field_behavior, form_widgets
from airflow_batch_events.events import termination
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import DEFAULT_GRACE, Outcome
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiError,
    ApiNotFoundError,
    ApiQuotaError,
    ApiThrottledError,
    BatchEventsError,
    CloudError,
    CredentialsError,
    TransportError,
)
from airflow_batch_events.get_provider_info import get_provider_info
from airflow_batch_events.hooks.connection import TencentCloudHook
from airflow_batch_events.jobs.blocking_wait import VISIBILITY_CHECK, JobPollingMixin, state_in
from airflow_batch_events.jobs.output import explain, read_output
from airflow_batch_events.jobs.result import read_result
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.identity import Identity, has_sts

if TYPE_CHECKING:
    from airflow_batch_events.events.diagnosis import Diagnosis
    from airflow_batch_events.protocol.apis.request import Request
    from airflow_batch_events.protocol.sdk import SdkClient

T = TypeVar("T")

RETRY_SEEN = 15.0
"""Seconds for which a retried job may still be shown as failed."""

ENDING_CALL = 60.0
"""Seconds that one call may take while a job is being ended: also of an API that answers slowly."""

STS_TIMEOUT = 5.0
"""Seconds for STS to say whose a key is; a submission does not wait for it much longer."""


_SUBMIT_ADVICE: dict[type[ApiError], str] = {
    ApiQuotaError: "Nothing was submitted: delete jobs that are no longer needed (on_finish_action, "
    "BatchDeleteJobOperator), then run the task again; an account may have 1,000, the finished ones included",
    ApiThrottledError: "Nothing was submitted although the call was made again and again: let fewer tasks submit "
    "at a time (a pool), then run the task again",
}


class BatchHook(JobPollingMixin, TencentCloudHook):
    """
    Call the Batch API with the keys of a connection.

    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region, for example ``ap-guangzhou``.
    """

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the connection form's own fields, for an Airflow that does not read them from the metadata."""
        return form_widgets(_connection_type()["conn-fields"])

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what becomes of the fields that every form has; see :meth:`get_connection_form_widgets`."""
        return field_behavior(_connection_type()["ui-field-behaviour"])

    @cached_property
    def client(self) -> SdkClient:
        """The vendor's SDK, with the connection's keys and endpoints."""
        # The SDK takes a third of a second to import, which a DAG file that imports this hook must not pay.
        from airflow_batch_events.protocol.sdk import SdkClient

        return SdkClient(self.access)

    def known_now(self) -> float | None:
        """Return the cloud's Unix time; None while no answer to this hook has told it."""
        # A hook that has asked nothing has no client yet, and making one takes a third of a second.
        client: SdkClient | None = vars(self).get("client")
        return None if client is None else client.clock.known_now()

    def send(self, request: Request[T]) -> T:
        """
        Send a request that was built in ``protocol.batch`` or ``protocol.tdmq``.

        :raises CredentialsError: When the cloud refuses the connection's keys.
        :raises ApiError: For any other error code.
        :raises TransportError: When there is no usable answer, or when what creates something was refused only after a
            call of which that is not known.
        """
        try:
            return self.client.send(request)
        except ApiError as error:
            if error.follows_unknown and "ClientToken" in request.params:
                raise TransportError(
                    f"Whether {request.action} has had its effect is not known: there was no usable answer at first, "
                    f"and then a refusal: {error}"
                ) from error
            if not isinstance(error, ApiCredentialsError):
                raise
            raise CredentialsError(
                f"The {request.service} API refused the keys of {self.access.source} (SecretId as login, SecretKey as "
                f"password, token in extra; used was {self.client.access.identity}): {error}"
            ) from error

    def identify(self, earlier: Identity | None = None) -> Identity:
        """
        Return where and as whom this connection submits; STS is asked whose the key is where nothing else says it.

        :param earlier: What an earlier try has noted: its key's account is known, and what was submitted elsewhere
            needs no account to differ.
        """
        now = Identity.of(self.access)
        if now.account:
            return now
        if earlier is not None and earlier.key_id == now.key_id:
            return structs.replace(now, account=earlier.account)
        if earlier is not None and not earlier.is_same_place(now):
            return now
        return structs.replace(now, account=self._find_account())

    def _find_account(self) -> str:
        from airflow_batch_events.protocol.credentials import sts
        from airflow_batch_events.protocol.retry import RetryPolicy
        from airflow_batch_events.protocol.sdk import SdkClient

        if not has_sts(self.access):
            return ""
        patience = RetryPolicy(retries=1, throttled_retries=2)
        try:
            with SdkClient(self.access, timeout=STS_TIMEOUT, retry=patience) as client:
                return client.send(sts.get_caller_account())
        except BatchEventsError as error:
            self.log.info(
                "STS does not say whose the key of %s is, so a retry with another key will be refused: %s",
                self.access.source,
                error,
            )
            return ""

    def submit_job(self, job: dict[str, Any], placement: dict[str, Any], client_token: str | None = None) -> str:
        """
        Submit a job.

        :param job: The API's ``Job`` object.
        :param placement: The API's ``Placement`` object.
        :param client_token: Makes repeated calls submit one job; at most 64 characters.
        :return: The job id.
        :raises ApiQuotaError: When the account may have no further job; says what to do.
        :raises ApiThrottledError: When the account's rate limit turned the call away again and again; says what to do.
        """
        try:
            return self.send(batch.submit_job(job, placement, client_token))
        except (ApiQuotaError, ApiThrottledError) as error:
            advice = _SUBMIT_ADVICE[type(error)]
            # The API's text may be of any length; the advice must not be what is cut.
            text = f"{error.message:.1000} {advice}"
            raise type(error)(error.action, error.code, text, error.request_id) from error

    def delete_job(self, job_id: str) -> bool:
        """
        Delete a job that has ended.

        :param job_id: The job.
        :return: False when there is no such job (any more).
        :raises ApiInUseError: When the job still runs, or keeps instances.
        """
        try:
            self.send(batch.delete_job(job_id))
        except ApiNotFoundError:
            return False
        return True

    def get_lasting_job_state(
        self, job_id: str, *, grace: float = DEFAULT_GRACE, sleep: Callable[[float], None] = time.sleep
    ) -> str | None:
        """
        Return the state that the job has or, where it is being ended, will have; None for a job that is gone.

        :param job_id: A job that was submitted, perhaps a moment ago.
        :param grace: Seconds for which a job that the API does not know counts as not visible yet.
        :param sleep: Waits between polls.
        :raises TransportError: When an answer does not tell, because it is about another job or names no state.
        """
        began = time.monotonic()
        while True:
            try:
                job = self.send(batch.describe_job(job_id))
            except ApiNotFoundError:
                if time.monotonic() - began >= grace:
                    return None
                sleep(VISIBILITY_CHECK)
            else:
                is_ending = job.next_action == "TERMINATING" and job.state != JobState.SUCCEED.value
                return JobState.FAILED.value if is_ending else job.state

    def terminate_job(self, job_id: str) -> str:
        """End a job within half a minute, and say what became of it; never raises, because a task is ending, too."""
        try:
            return self.end_job(job_id).report
        except BatchEventsError as error:
            return f"job {job_id} could not be ended and may still run: {error}"

    def retry_jobs(self, job_ids: Sequence[str], *, sleep: Callable[[float], None] = time.sleep) -> None:
        """
        Run the failed instances of failed jobs again; returns when the API shows that the jobs run, or after 15 s.

        :param job_ids: The jobs, at most 100.
        :param sleep: Waits between polls.
        :raises ApiRefusedError: When a job is not FAILED.
        """
        self.send(batch.retry_jobs(job_ids))
        began = time.monotonic()
        while time.monotonic() - began < RETRY_SEEN:
            try:
                states = self.get_job_states(job_ids)
                # One that the answer lacks may still be shown as failed by the next.
                if all(states.get(job_id, JobState.FAILED.value) != JobState.FAILED.value for job_id in job_ids):
                    return
            except (CloudError, CredentialsError) as error:
                self.log.warning("Cannot poll the retried jobs, will poll again: %s", error)
            sleep(1.0)

    def end_job(
        self, job_id: str, *, bound: float = termination.BOUND, sleep: Callable[[float], None] = time.sleep
    ) -> termination.Termination:
        """
        End a job: ask until the API takes the request, then poll until it has ended.

        :param job_id: The job.
        :param bound: Seconds that this may take.
        :param sleep: Waits between the calls.
        :return: How far that came.
        """
        ending = termination.Termination(job_id)
        began = time.monotonic()
        while not ending.is_over and (left := bound - (time.monotonic() - began)) > 0:
            try:
                if not ending.was_asked:
                    self.send_once(batch.terminate_job(job_id), left)
                    ending.on_asked()
                else:
                    ending.on_state(state_in(self.send_once(batch.describe_job_states([job_id]), left), job_id))
            except CloudError as error:
                ending.on_error(error)
            if not ending.is_over:
                sleep(termination.ASK_EVERY)
        return ending

    def send_once(self, request: Request[T], left: float) -> T:
        """
        Send a request for a caller that makes failed calls again itself, or does without an answer.

        :param left: Seconds that the caller has left.
        :raises CloudError: When it fails, or is not answered in time.
        """
        from airflow_batch_events.protocol.retry import NO_RETRY

        return self.client.send(request, timeout=min(left, ENDING_CALL), retry=NO_RETRY)

    def read_output(self, job_id: str) -> list[str]:
        """
        Return the ends of what a job has written, as printable lines for a log; at most 200.

        :raises BatchEventsError: When the job itself cannot be read.
        """
        return read_output(self.send, job_id)

    def read_result(self, job_id: str, path: str | None = None) -> Any:
        """
        Return the value that a job which succeeded has left behind.

        :param job_id: The job.
        :param path: The object in COS that holds JSON, at most 1 MiB; by default the last line of standard output of
            the first instance of the first task is JSON, as far as the API shows it (2,048 bytes).
        :raises BatchJobResultError: When there is no value, or it cannot be used.
        :raises CloudError: When it cannot be read.
        """
        client: SdkClient | None = vars(self).get("client")
        return read_result(self.send, lambda: client.access if client else self.access, job_id, path)

    def explain(self, outcome: Outcome) -> Diagnosis:
        """
        Say why a job failed, or does not begin to run, with the output of up to five of its instances.

        What cannot be read is left out: an explanation must not fail in place of the job.
        """
        return explain(self.send, outcome)

    def test_connection(self) -> tuple[bool, str]:
        """Check keys, region and endpoints with one call to Batch and one to the queue service."""
        from airflow_batch_events.hooks.cmq import CmqHook
        from airflow_batch_events.protocol.apis import tdmq

        try:
            self.send(batch.describe_jobs([]))
            self.send(tdmq.describe_queues(limit=1))
            CmqHook(self.tencentcloud_conn_id, self.region).check()
        except BatchEventsError as error:
            return False, str(error)
        return True, f"Batch, TDMQ and the queue service answer in {self.access.region} to {self.access.identity}"


def _connection_type() -> dict[str, Any]:
    (connection_type,) = get_provider_info()["connection-types"]
    return dict(connection_type)
