# SPDX-License-Identifier: Apache-2.0
"""Follow one branch or another by how a Batch job ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.airflow_compat.branch import BaseBranchOperator
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.values import is_list, items_of, job_id_of
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.base import PollingOperator
from airflow_batch_events.operators.job_wait import JobWaitOperator
from airflow_batch_events.waiting.parameters import CONNECTION, Reader

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

Branch = str | Iterable[str]

OUTCOME_XCOM = "outcome"
"""The XCom key of the outcome; the return value is, as with every branch operator, what was followed."""


class BatchJobBranchOperator(JobWaitOperator, PollingOperator, BaseBranchOperator):
    """
    Wait for a Batch job by event, then follow the task ids for its result.

    A wait that ends without a result (the job is not found, the wait timed out) fails the task, which follows no
    branch. The outcome is pushed as XCom ``outcome``.

    The bases take ``queue_name``, ``deferrable``, ``reconcile_interval``, ``poll_interval``, ``tencentcloud_conn_id``
    and ``region``.

    :param job_id: The job: its id, or the outcome that a task has returned. (templated)
    :param on_succeeded: Task id, task group id, or a list of them, to follow when the job succeeded.
    :param on_failed: The same for a job that failed.
    :param on_interrupted: The same for a job that failed and keeps its instances; by default as ``on_failed``.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_id_of, **PollingOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#f2e6fb"

    def __init__(
        self,
        *,
        job_id: str,
        on_succeeded: Branch,
        on_failed: Branch,
        on_interrupted: Branch | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.on_succeeded = self.read(_check_branch, "on_succeeded", on_succeeded)
        self.on_failed = self.read(_check_branch, "on_failed", on_failed)
        self.on_interrupted = self.read(
            _check_branch, "on_interrupted", on_failed if on_interrupted is None else on_interrupted
        )

    def execute(self, context: Context) -> Any:
        """Wait for the job, then branch."""
        self.read_parameters()
        self.write_links(context, self.job_id)
        return self._follow(context, self.wait_for_jobs([self.job_id], timeout=self.time_allowed))

    def execute_complete(self, context: Context, event: object = None) -> Any:
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
            raise self.explain(context, outcomes, outcomes).error
        self.count_ends(context, outcomes)
        context["ti"].xcom_push(key=OUTCOME_XCOM, value=outcome.to_dict())
        return self.do_branch(context, branches[outcome.state])


def _check_branch(parameter: str, branch: Branch) -> list[str]:
    task_ids = [branch] if isinstance(branch, str) else items_of(branch) if is_list(branch) else []
    if not task_ids or not all(isinstance(task_id, str) and task_id.strip() for task_id in task_ids):
        raise ParameterError(
            f"{parameter} needs a task id or a list of them, not {branch!r:.100}: every result has a branch"
        )
    return task_ids
