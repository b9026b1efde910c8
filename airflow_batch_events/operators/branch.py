# SPDX-License-Identifier: Apache-2.0
"""Follow one branch or another by how a Batch job ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.airflow_compat.branch import BaseBranchOperator
from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, Outcome
from airflow_batch_events.events.values import is_list, items_of, job_id_of
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.job_wait_mixin import JobWaitMixin, timeout_of
from airflow_batch_events.waiting.parameters import CONNECTION, ParameterMixin, Reader, optional, queue_name_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

Branch = str | Iterable[str]

OUTCOME_XCOM = "outcome"
"""The XCom key of the outcome; the return value is, as with every branch operator, what was followed."""


class BatchJobBranchOperator(ParameterMixin, JobWaitMixin, BaseBranchOperator):
    """
    Wait for a Batch job by event, then follow the task ids for its result.

    A wait that ends without a result (the job is not found, the time is over) fails the task: it follows no branch. The
    outcome is pushed as XCom ``outcome``.

    :param job_id: The job: its id, or the outcome that a task has returned. (templated)
    :param on_succeeded: Task id, task group id, or a list of them, to follow when the job succeeded.
    :param on_failed: The same for a job that failed.
    :param on_interrupted: The same for a job that failed and keeps its instances; by default as ``on_failed``.
    :param queue_name: The queue that the job's topic forwards to. None waits by looking at the API alone. (templated)
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says.
    :param reconcile_interval: Seconds between looks at the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    :param poll_interval: Seconds between looks when there are no events to wait for.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = ("job_id", "queue_name", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, "queue_name": optional(queue_name_of), **CONNECTION}
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#f2e6fb"

    def __init__(
        self,
        *,
        job_id: str,
        on_succeeded: Branch,
        on_failed: Branch,
        on_interrupted: Branch | None = None,
        queue_name: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL,
        poll_interval: float | str | timedelta = 30.0,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.on_succeeded = self.read(_check_branch, "on_succeeded", on_succeeded)
        self.on_failed = self.read(_check_branch, "on_failed", on_failed)
        self.on_interrupted = self.read(
            _check_branch, "on_interrupted", on_failed if on_interrupted is None else on_interrupted
        )
        self.queue_name = queue_name
        self.deferrable = self.read_flag("deferrable", deferrable)
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> Any:
        """Wait for the job, then branch."""
        self.read_parameters()
        self.write_links(context, self.job_id)
        return self._follow(context, self.wait_for_jobs([self.job_id], timeout=timeout_of(self.execution_timeout)))

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take what the trigger fired, then branch."""
        self.read_parameters(*CONNECTION)
        return self._follow(context, self.outcomes_of(event))

    def _follow(self, context: Context, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        (outcome,) = outcomes
        branches = {
            JobState.SUCCEED.value: self.on_succeeded,
            JobState.FAILED.value: self.on_failed,
            JobState.FAILED_INTERRUPTED.value: self.on_interrupted,
        }
        if outcome.state not in branches:
            raise self.error_for(outcome)
        context["ti"].xcom_push(key=OUTCOME_XCOM, value=outcome.to_dict())
        return self.do_branch(context, branches[outcome.state])


def _check_branch(parameter: str, branch: Branch) -> list[str]:
    task_ids = [branch] if isinstance(branch, str) else items_of(branch) if is_list(branch) else []
    if not task_ids or not all(isinstance(task_id, str) and task_id.strip() for task_id in task_ids):
        raise ParameterError(
            f"{parameter} needs a task id or a list of them, not {branch!r:.100}: every result has a branch"
        )
    return task_ids
