# SPDX-License-Identifier: Apache-2.0
"""
Wait for jobs from a task, deferred or on the worker, and turn what comes back into outcomes or an error.

What submits, senses and branches on jobs waits in the same way; this base is that way. After a deferral nothing but the
trigger's event and the operator's own parameters is known: the object is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Asset

from airflow_batch_events.airflow_compat.deferral import handover_seconds, warn_of_size
from airflow_batch_events.airflow_compat.operators import keep_links
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, Outcome
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.exit_codes import ExitCodes
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.base import WaitingOperator
from airflow_batch_events.operators.lineage import LineageMixin
from airflow_batch_events.waiting.task_result import (
    BATCH_OUTCOME_XCOM,
    NO_CODES,
    Explained,
    end_lines,
    explain_all,
    outcome_xcom,
    outcomes_of,
    with_facts,
)
from airflow_batch_events.waiting.traces import WAIT, traced
from airflow_batch_events.waiting.trigger_start import deadline_of, deferral_timeout, end_in_trigger, needs_worker

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class JobWaitOperator(LineageMixin, WaitingOperator):
    """
    An operator that waits for jobs.

    :param reconcile_interval: Seconds between polls of the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    """

    returns_outcomes: ClassVar[bool] = True
    """Whether a task that waits returns outcomes, not job ids."""

    submits_job: ClassVar[bool] = False
    """Whether the task waits for a job of its own, so that one that the API does not know was deleted."""

    cancel_on_kill: bool = False
    end_from_trigger: bool | None = False
    start_timeout: float | None = None
    instances: int | None = None
    """How many task instances the job has that the task has submitted."""

    traceparent: str | None = None
    """The trace that it was sent with."""

    is_live: bool = False
    """Whether new output is shown while the task waits."""

    def __init__(self, *, reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)

    def write_links(self, context: Context, job_id: str, topic_name: str | None = None) -> None:
        """Write the links of a task that is about to wait."""
        BatchJobLink.persist(context, self.hook.access, job_id)
        if topic_name is not None:
            CmqTopicLink.persist(context, self.hook.access, topic_name)
        if self.queue_name is not None:
            CmqQueueLink.persist(context, self.hook.access, self.queue_name)
        keep_links(self)

    def wait_for_jobs(self, job_ids: Sequence[str], *, timeout: float | None) -> list[Outcome]:
        """
        Wait on the worker, or raise the deferral that waits in the triggerer.

        :param job_ids: The jobs, each once.
        :param timeout: Seconds from now at which the wait is over; None waits without end.
        """
        if self.deferrable:
            self._defer_for_jobs(job_ids, timeout)
        with traced(WAIT, link=self.traceparent, job_ids=job_ids) as span:
            outcomes = self.hook.wait_for_jobs(
                job_ids,
                poll_interval=self.poll_interval,
                timeout=timeout,
                start_timeout=self.start_timeout,
                beside=self.beside_wait(job_ids),
            )
            span.ended(outcomes)
        return [outcome.with_times(JobTimes(instances=self.instances)) for outcome in outcomes]

    def beside_wait(self, job_ids: Sequence[str]) -> Callable[[], None] | None:
        """Return what is done between two polls of a wait on the worker; it must be short."""
        return None

    def _defer_for_jobs(self, job_ids: Sequence[str], timeout: float | None) -> NoReturn:
        # The trigger's module brings the clients; a DAG file that imports an operator must not pay for them.
        from airflow_batch_events.triggers.batch import BatchJobTrigger

        # Settings that are missing must fail here, in the task's log, not in the triggerer's.
        access = self.hook.access
        if self.queue_name is None:
            how = "by polling the API"
        else:
            how = f"by event on queue {self.queue_name!r} at {access.required_cmq_endpoint}"
        self.log.info("Waiting for %s %s", ", ".join(job_ids), how)
        trigger = BatchJobTrigger(
            job_id=list(job_ids),
            queue_name=self.queue_name,
            tencentcloud_conn_id=self.tencentcloud_conn_id,
            region=self.region,
            reconcile_interval=self.poll_interval if self.queue_name is None else self.reconcile_interval,
            timeout=timeout,
            deadline=deadline_of(timeout, self.hook),
            start_timeout=self.start_timeout,
            start_deadline=deadline_of(self.start_timeout, self.hook),
            hold=handover_seconds(),
            cancel_on_kill=self.cancel_on_kill,
            end=self._end_in_trigger(),
            instances=self.instances,
            traceparent=self.traceparent,
            live=self.is_live,
        )
        warn_of_size(trigger, self.log)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=deferral_timeout(timeout))

    def _end_in_trigger(self) -> dict[str, Any] | None:
        needs = self.needs_worker() if self.end_from_trigger is None else []
        if needs:
            self.log.info("A worker ends the task, because of %s", ", ".join(needs))
        # A trigger's task instance does not have it. A DAG file must not pay for what a running task needs.
        from airflow_batch_events.airflow_compat.stats import team_of_running_task

        team = team_of_running_task()
        end = {**self.task_end(), **({"team_name": team} if team else {})}
        return end_in_trigger(self.end_from_trigger, end, needs)

    def needs_worker(self) -> list[str]:
        """Return what the running task needs a worker for when it ends well."""
        return needs_worker(self)

    def task_end(self) -> dict[str, Any]:
        """Return how the task ends, for a trigger that ends it."""
        return {"push_result": self.do_xcom_push, "multiple_outputs": self.multiple_outputs}

    def emit_outcome(self, context: Context, outcome: Mapping[str, Any]) -> None:
        """Give the asset events of the task's outlets the outcome as their extra."""
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(outcome)

    def outcomes_of(self, event: object, count: int = 1) -> list[Outcome]:
        """
        Read what the trigger fired.

        :param event: The trigger's payload, whichever version has fired it.
        :param count: How many jobs were waited for.
        :raises BatchEventsError: The error that ended the wait in the triggerer, as its own class.
        :raises ValueError: When the event is not one of ours, or has another number of outcomes.
        """
        keep_links(self)
        return outcomes_of(event, count)

    def explain(
        self,
        context: Context,
        outcomes: Sequence[Outcome],
        failures: Sequence[Outcome],
        *,
        codes: ExitCodes = NO_CODES,
        is_list: bool = False,
    ) -> Explained:
        """
        Say why jobs are no success: in the log, in the error that is returned, and in XCom ``batch_outcome``.

        :param context: The task's context.
        :param outcomes: All that the task has waited for.
        :param failures: Those that are no success, at least one.
        :param codes: The exit codes that mean something.
        :param is_list: Whether the task would return a list of outcomes.
        """
        explained = explain_all(self.hook, failures, codes, is_own=self.submits_job)
        for line in explained.lines:
            self.log.error("%s", line)
        try:
            value = outcome_xcom(outcomes, explained.outcomes, is_list=is_list)
            context["ti"].xcom_push(key=BATCH_OUTCOME_XCOM, value=value)
        except Exception:
            # Why the task fails is known, and must not be hidden by another error.
            self.log.warning("Cannot push the outcome as XCom %s", BATCH_OUTCOME_XCOM, exc_info=True)
        told = with_facts(outcomes, explained.outcomes)
        self.note_ends(told)
        self.count_ends(context, told)
        return explained

    def count_ends(self, context: Context, outcomes: Sequence[Outcome]) -> None:
        """Hand how the jobs ended to Airflow's stats."""
        # A DAG file that imports an operator must not pay for what a running task needs.
        from airflow_batch_events.waiting.airflow_metrics import count_ends

        count_ends(outcomes, context["ti"])

    def log_end(self, outcomes: Sequence[Outcome]) -> None:
        """Log how the jobs ended."""
        for line in end_lines(outcomes):
            self.log.info("%s", line)
        self.note_ends(outcomes)
