# SPDX-License-Identifier: Apache-2.0
"""The rest of a job's life: end it, run it again, delete it. Import these from ``operators.batch``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, Outcome
from airflow_batch_events.events.values import job_id_of, some_job_ids_of
from airflow_batch_events.exceptions import BatchJobTimeoutError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.job_wait_mixin import JobWaitMixin, timeout_of
from airflow_batch_events.waiting.parameters import CONNECTION, ParameterMixin, Reader, optional, queue_name_of
from airflow_batch_events.waiting.submit_checks import check_queue, check_wait
from airflow_batch_events.waiting.task_result import find_failure, result_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class BatchTerminateJobOperator(ParameterMixin, BaseOperator):
    """
    End a Batch job and wait until it has ended.

    A job that has ended already, or that does not exist, is as it should be. The return value says what became of it.

    :param job_id: The job: its id, or the outcome that a task has returned. (templated)
    :param timeout: Seconds that this may take, as a number, as text or as a ``timedelta``; ending a job with many
        instances takes its time.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("job_id", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, **CONNECTION}
    operator_extra_links = (BatchJobLink(),)
    ui_color = "#fbe0dc"

    def __init__(
        self,
        *,
        job_id: str,
        timeout: float | str | timedelta = 600.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.timeout = self.read(seconds_of, "timeout", timeout)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> str:
        """
        End the job.

        :raises BatchJobTimeoutError: When it has not ended in time; it may still be ending.
        """
        self.read_parameters()
        hook = BatchHook(self.tencentcloud_conn_id, self.region)
        BatchJobLink.persist(context, hook.access, self.job_id)
        ending = hook.end_job(self.job_id, bound=self.timeout)
        if not ending.is_over:
            raise BatchJobTimeoutError(f"After {self.timeout:g} s: {ending.report}")
        if ending.error is not None:
            raise ending.error
        self.log.info("%s", ending.report)
        return ending.report


class BatchRetryJobsOperator(ParameterMixin, JobWaitMixin, BaseOperator):
    """
    Run the failed instances of failed Batch jobs again and, if wanted, wait for how they end this time.

    Events of the earlier run are not believed: the wait begins after the API has shown that a job runs again.

    :param job_id: One job id, or a list of them, at most 100; all must be FAILED. The output of a mapped task, the text
        of a list, and outcomes are taken, too. (templated)
    :param queue_name: The queue that the jobs' topic forwards to. None waits by looking at the API alone. (templated)
    :param wait_for_completion: Whether to wait until the jobs have settled again.
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param reconcile_interval: Seconds between looks at the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    :param poll_interval: Seconds between looks when there are no events to wait for.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("job_id", "queue_name", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {
        "job_id": some_job_ids_of,
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#dcebfb"

    def __init__(
        self,
        *,
        job_id: str | list[str],
        queue_name: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL,
        poll_interval: float | str | timedelta = 30.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.queue_name = queue_name
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> Any:
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
        return self._conclude(self.wait_for_jobs(job_ids, timeout=timeout_of(self.execution_timeout)))

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take what the trigger fired: return the outcomes, or fail with what failed and why."""
        self.read_parameters("job_id", *CONNECTION)
        return self._conclude(self.outcomes_of(event, 1 if isinstance(self.job_id, str) else len(self.job_id)))

    def _conclude(self, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        failure = find_failure(outcomes)
        if failure is not None:
            raise self.error_for(failure)
        return result_of(outcomes, is_list=not isinstance(self.job_id, str))


class BatchDeleteJobOperator(ParameterMixin, BaseOperator):
    """
    Delete a Batch job that has ended; one that does not exist is as it should be.

    Nothing about a deleted job can be asked any more.

    :param job_id: The job, by its id or as an outcome; it and all its instances must be SUCCEED or FAILED. (templated)
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("job_id", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, **CONNECTION}
    ui_color = "#fbe0dc"

    def __init__(
        self,
        *,
        job_id: str,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Delete the job."""
        self.read_parameters()
        was_there = BatchHook(self.tencentcloud_conn_id, self.region).delete_job(self.job_id)
        self.log.info("Deleted job %s" if was_there else "Job %s does not exist (any more)", self.job_id)
