# SPDX-License-Identifier: Apache-2.0
"""End a job, run it again, or delete it. Import these operators from ``operators.batch``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.outcome import Outcome, OutcomeDict
from airflow_batch_events.events.values import job_id_of, some_job_ids_of
from airflow_batch_events.exceptions import BatchJobTimeoutError
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.base import PollingOperator, TencentCloudOperator
from airflow_batch_events.operators.job_end import JobEndOperator
from airflow_batch_events.waiting.parameters import CONNECTION, Reader
from airflow_batch_events.waiting.submit_checks import check_queue, check_wait
from airflow_batch_events.waiting.task_result import failures_in, result_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class BatchTerminateJobOperator(TencentCloudOperator):
    """
    End a Batch job and wait until it has ended.

    A job that has ended already, or that does not exist, is as it should be. The return value says what became of it.

    The base takes ``tencentcloud_conn_id`` and ``region``.

    :param job_id: The job: its id, or the outcome that a task has returned. (templated)
    :param timeout: Seconds that this may take, as a number, as text or as a ``timedelta``; ending a job with many
        instances takes a while.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, **TencentCloudOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchJobLink(),)
    ui_color = "#fbe0dc"

    def __init__(self, *, job_id: str, timeout: float | str | timedelta = 600.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.timeout = self.read(seconds_of, "timeout", timeout)

    def execute(self, context: Context) -> str:
        """
        End the job.

        :raises BatchJobTimeoutError: When it has not ended in time; it may still be ending.
        """
        self.read_parameters()
        BatchJobLink.persist(context, self.hook.access, self.job_id)
        ending = self.hook.end_job(self.job_id, bound=self.timeout)
        if not ending.is_over:
            raise BatchJobTimeoutError(f"After {self.timeout:g} s: {ending.report}")
        if ending.error is not None:
            raise ending.error
        self.log.info("%s", ending.report)
        return ending.report


class BatchRetryJobsOperator(JobEndOperator, PollingOperator):
    """
    Run the failed instances of failed Batch jobs again and, if wanted, wait for how they end this time.

    Events of the earlier run are not believed: the wait begins after the API has shown that a job runs again.

    The bases take ``queue_name``, ``deferrable``, ``reconcile_interval``, ``poll_interval``, ``skip_on_exit_code``,
    ``fail_on_exit_code``, ``tencentcloud_conn_id`` and ``region``.

    :param job_id: One job id, or a list of them, at most 100; all must be FAILED. The output of a mapped task, the text
        of a list, and outcomes are taken, too. (templated)
    :param wait_for_completion: Whether to wait until the jobs have settled again.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"job_id": some_job_ids_of, **PollingOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#dcebfb"

    def __init__(self, *, job_id: str | list[str], wait_for_completion: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)

    def execute(self, context: Context) -> str | list[str] | OutcomeDict | list[OutcomeDict]:
        """Retry the jobs, and wait."""
        self.read_parameters()
        job_ids = [self.job_id] if isinstance(self.job_id, str) else list(self.job_id)
        reads_queue = self.deferrable and self.wait_for_completion
        check_wait(self, reads_queue=reads_queue)
        check_queue(self, reads_queue=reads_queue)
        self.write_links(context, job_ids[0])
        self.hook.retry_jobs(job_ids)
        self.log.info("Retried %s", ", ".join(job_ids))
        if not self.wait_for_completion:
            return self.job_id
        return self._conclude(context, self.wait_for_jobs(job_ids, timeout=self.time_allowed))

    def execute_complete(self, context: Context, event: object = None) -> OutcomeDict | list[OutcomeDict]:
        """Take what the trigger fired: return the outcomes, or fail with what failed and why."""
        self.read_parameters("job_id", *CONNECTION)
        count = 1 if isinstance(self.job_id, str) else len(self.job_id)
        return self._conclude(context, self.outcomes_of(event, count))

    def _conclude(self, context: Context, outcomes: Sequence[Outcome]) -> OutcomeDict | list[OutcomeDict]:
        self.log_end(outcomes)
        is_list = not isinstance(self.job_id, str)
        failures = failures_in(outcomes)
        if failures:
            self.end_badly(context, outcomes, failures, is_list=is_list)
        self.count_ends(context, outcomes)
        return result_of(outcomes, is_list=is_list)


class BatchDeleteJobOperator(TencentCloudOperator):
    """
    Delete a Batch job that has ended; one that does not exist is as it should be.

    Nothing about a deleted job can be asked any more.

    The base takes ``tencentcloud_conn_id`` and ``region``.

    :param job_id: The job, by its id or as an outcome; it and all its instances must be SUCCEED or FAILED. (templated)
    """

    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, **TencentCloudOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    ui_color = "#fbe0dc"

    def __init__(self, *, job_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id

    def execute(self, context: Context) -> None:
        """Delete the job."""
        self.read_parameters()
        was_there = self.hook.delete_job(self.job_id)
        self.log.info("Deleted job %s" if was_there else "Job %s does not exist (any more)", self.job_id)
