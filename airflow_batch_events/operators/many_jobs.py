# SPDX-License-Identifier: Apache-2.0
"""
Run many Batch jobs in one task. Import the operator from ``operators.batch``.

A worker checks all descriptions and notes what a later try must know; the triggerer submits, waits and deletes; a
worker ends the task. Two processes of Airflow, however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import Asset
from msgspec import to_builtins

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.deferral import handover_seconds
from airflow_batch_events.airflow_compat.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow_batch_events.airflow_compat.operators import keep_links
from airflow_batch_events.airflow_compat.triggerer import stores_triggers
from airflow_batch_events.events.catalog import JOB_EVENTS, OnFinishAction
from airflow_batch_events.events.many.items import Item, chunks_of, pack_descriptions
from airflow_batch_events.events.many.result import failures_in, outcomes_of, summary_of
from airflow_batch_events.events.many.rules import (
    DEFAULT_ACTIVE,
    OnFailure,
    RunRules,
    failures_allowed,
    max_active_of,
    max_failures_of,
)
from airflow_batch_events.events.notifications import DEFAULT_JOB_EVENTS
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, TIMEOUT
from airflow_batch_events.events.outcomes.exit_codes import exit_codes_of
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import (
    BatchEventsError,
    ConfigurationError,
    ParameterError,
    SubmissionRecordError,
)
from airflow_batch_events.links.console import CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.base import PollingOperator
from airflow_batch_events.operators.lineage import LineageMixin
from airflow_batch_events.operators.notifying import NOTIFYING, NotifyingOperator
from airflow_batch_events.operators.tagging import TaggingOperator
from airflow_batch_events.submission.cost_tags import with_cost_tags
from airflow_batch_events.submission.decision import OnChangedJob, digest_of
from airflow_batch_events.submission.many import JOBS_KEY, JobsSubmission, handover_name
from airflow_batch_events.waiting.many_jobs import JobsRecord, carried, unpack_notes
from airflow_batch_events.waiting.parameters import (
    CONNECTION,
    Reader,
    choice_of,
    description_of,
    descriptions_of,
    has_template,
)
from airflow_batch_events.waiting.submit_checks import check_description, check_queue, check_wait
from airflow_batch_events.waiting.task_result import end_in
from airflow_batch_events.waiting.traces import SUBMIT, traced
from airflow_batch_events.waiting.trigger_start import deadline_of, deferral_timeout

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

ResultKind = Literal["outcomes", "summary"]


class BatchSubmitJobsOperator(LineageMixin, NotifyingOperator, TaggingOperator, PollingOperator):
    """
    Submit up to 10,000 Tencent Cloud Batch jobs, at the pace and within the quota of the account, and wait for all.

    The return value is a list of outcomes in the order of the jobs, ``{"job_id", "state"}`` each; or a summary. One
    that has ended badly also has its ``cause`` and, of the first hundred, ``task_name``, ``instance``, ``exit_code``
    and ``reason``. When more jobs have failed than may, the task pushes this as XCom ``batch_outcome`` and fails with
    :class:`~airflow_batch_events.exceptions.BatchJobsFailedError`, which has the same facts; a retry submits only what
    has failed or is missing. The triggerer submits, so the wait is always deferred.

    The bases take what the jobs publish (``topic_name``, ``events``, ``event_vars``, ``notifications``), how the task
    waits (``queue_name``, ``poll_interval``), ``cost_tags`` (but for the try, which differs from job to job),
    ``tencentcloud_conn_id`` and ``region``.

    :param jobs: A list of the API's ``Job`` objects, or its text, or the output of a task. For thousands, let a task or
        ``@task.batch_jobs`` return it: a literal list is stored with the DAG, and templates in it are rendered one by
        one. (templated)
    :param placement: The API's ``Placement`` object, for all of them, or its text. (templated)
    :param max_active: Jobs of this task that exist at once, but for those that have ended and are kept; an account may
        have 1,000, the ended ones included.
    :param max_failures: How many jobs may fail before the task does: a number, or a share such as 0.05.
    :param on_failure: What becomes of the other jobs once more than ``max_failures`` have failed: ``continue`` runs all
        of them, ``cancel_rest`` submits nothing more and ends those that run.
    :param fail_fast: Short for ``max_failures=0`` and ``on_failure="cancel_rest"``.
    :param fail_on_exit_code: Exit codes (one, a list or a range) that fail the task without another try, where it fails
        and any of the first hundred jobs that failed has one of them.
    :param on_finish_action: ``keep`` the jobs that have ended, ``delete_succeeded`` as they end, or ``delete`` also
        those that ended FAILED. With more jobs than the account may have, the succeeded ones must be deleted.
    :param cancel_on_kill: Whether the jobs are ended when a user ends the waiting task: marks it, or clears it.
    :param cancel_on_timeout: Whether they are ended when ``execution_timeout`` passes.
    :param result: ``outcomes``, or ``summary``: how many ended how, and the first hundred that did not succeed.
    :param reconcile_interval: Seconds between polls of the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    :param on_changed_job: What to do when a later try has other descriptions, or would submit to another account,
        region or endpoint: ``fail``, or ``submit`` all of them anew, whatever becomes of the old ones.
    :param deferrable: Always True; the parameter is there because other operators have it.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "jobs": descriptions_of,
        "placement": description_of,
        **NOTIFYING,
        **PollingOperator.readers,
    }
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "jobs": "json",
        "placement": "json",
        **NotifyingOperator.template_fields_renderers,
    }
    operator_extra_links = (CmqTopicLink(), CmqQueueLink())
    ui_color = "#dcebfb"
    described_by = "jobs"
    allowed_events = JOB_EVENTS
    default_events = DEFAULT_JOB_EVENTS

    def __init__(
        self,
        *,
        jobs: list[dict[str, Any]],
        placement: dict[str, Any],
        max_active: int = DEFAULT_ACTIVE,
        max_failures: int | float | None = None,
        on_failure: OnFailure | None = None,
        fail_fast: bool = False,
        fail_on_exit_code: int | Container[int] | None = None,
        on_finish_action: OnFinishAction = "keep",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        result: ResultKind = "outcomes",
        reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL,
        on_changed_job: OnChangedJob = "fail",
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        if "skip_on_exit_code" in kwargs:
            raise ParameterError(
                f"task {kwargs.get('task_id')!r}: skip_on_exit_code is not possible for many jobs, of which only some "
                f"are read when they fail: let a command that has nothing to do exit with 0, allow max_failures, or "
                f"expand BatchSubmitJobOperator over the jobs"
            )
        super().__init__(deferrable=deferrable, **kwargs)
        self.jobs = jobs
        self.placement = placement
        self.max_active = self.read(max_active_of, "max_active", max_active)
        self.fail_fast = self.read_flag("fail_fast", fail_fast)
        if self.fail_fast and (max_failures is not None or on_failure is not None):
            raise ParameterError(
                f"task {self.task_id!r}: fail_fast stands for max_failures=0 and on_failure='cancel_rest': give it, or "
                f"the two"
            )
        self.max_failures = self.read(max_failures_of, "max_failures", 0 if max_failures is None else max_failures)
        default = "cancel_rest" if self.fail_fast else "continue"
        self.on_failure = self.read(choice_of, "on_failure", on_failure or default, choices=OnFailure)
        self.fail_on_exit_code = self.read(exit_codes_of, "fail_on_exit_code", fail_on_exit_code)
        self.on_finish_action = self.read(choice_of, "on_finish_action", on_finish_action, choices=OnFinishAction)
        self.cancel_on_kill = self.read_flag("cancel_on_kill", cancel_on_kill)
        self.cancel_on_timeout = self.read_flag("cancel_on_timeout", cancel_on_timeout)
        self.result = self.read(choice_of, "result", result, choices=ResultKind)
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)
        self.on_changed_job = self.read(choice_of, "on_changed_job", on_changed_job, choices=OnChangedJob)
        if not self.deferrable:
            raise ParameterError(
                f"task {self.task_id!r}: deferrable=False is not possible for many jobs, which the triggerer submits: "
                f"leave it out"
            )
        if self.on_finish_action != "keep" and self.retries and not abilities.HAS_STATE_STORE:
            raise ParameterError(
                f"task {self.task_id!r}: this version of Airflow keeps no state of tasks, so a retry would submit jobs "
                f"again that have succeeded and were deleted: set retries=0 or on_finish_action='keep', or use "
                f"Airflow 3.3"
            )

    def needs_rendering(self, name: str, value: Any) -> bool:
        """Whether a field has to be rendered: not a list of jobs without any template in it."""
        return name != "jobs" or has_template(value)

    def execute(self, context: Context) -> Any:
        """Check all descriptions, and let the triggerer submit what has not succeeded in an earlier try."""
        self.read_parameters()
        descriptions = self._descriptions()
        check_wait(self, reads_queue=True)
        if not descriptions:
            return self._conclude(context, [], None)
        packed = self._pack(context, descriptions)
        record = JobsRecord(context, ends_when_cleared=self.cancel_on_kill)
        submission, items = record.plan(
            digest_of({"Jobs": descriptions, "Placement": self.placement}),
            len(descriptions),
            self.hook.identify,
            on_changed=self.on_changed_job,
            were_ended=self.cancel_on_timeout,
        )
        if not failures_in(items):
            self.log.info("All %d jobs have succeeded in an earlier try; nothing is submitted", len(items))
            if not submission.is_noted:
                record.end(items)
            return self._conclude(context, items, None)
        check_queue(self, reads_queue=True)
        with traced(SUBMIT, jobs=len(items)) as span:
            submission = record.begin(submission, items, span.traceparent)
            span.link(submission.traceparent)
        self._write_links(context)
        seed = record.seed(submission)
        # By it the trigger of an earlier try sees that the task does not wait for its jobs any more.
        context["ti"].xcom_push(key=JOBS_KEY, value=seed)
        self._defer(context, packed, items, submission, seed=seed)
        return None

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Take what the trigger fired: return the outcomes, or fail with what failed and why."""
        self.read_parameters(*CONNECTION)
        keep_links(self)
        items = self._items_in(event)
        if items is None:
            items = self._pulled_items(context)
        if items is not None:
            # A DAG file must not pay for what a running task needs.
            from airflow_batch_events.waiting.many_end import count_many

            record = JobsRecord(context)
            count_many(record, items, context["ti"])
            record.end(items)
        try:
            end = end_in(event)
        except BatchEventsError:
            running = sum(item.job_id is not None and item.state is None for item in items or ())
            if running:
                self.log.error("The task cannot wait for its jobs: %d of them run on, and a retry finds them", running)
            raise
        if items is None:
            raise SubmissionRecordError("the triggerer has fired an end without what is known of the jobs")
        stopped = end.get("stopped")
        return self._conclude(context, items, None if stopped is None else str(stopped))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task, or end the jobs of a wait that Airflow itself has ended: no event says so then."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            items = self._pulled_items(context)
            if items is None:
                self.log.error("The jobs that were submitted run on: a retry finds them under their tokens")
            else:
                is_over = isinstance(error, TaskDeferralTimeout)
                self._give_up(context, items, is_ended=is_over and self.cancel_on_timeout)
            raise

    def _descriptions(self) -> list[dict[str, Any]]:
        found = []
        for index, job in enumerate(self.jobs):
            name = f"jobs[{index}]"
            description = self.with_notifications(name, job)
            check_description(**{name: description, "placement": self.placement})
            found.append(description)
        return found

    def _pack(self, context: Context, descriptions: Sequence[Mapping[str, Any]]) -> str:
        """Pack the descriptions, with tags where there is room for them."""
        tags = self.tags_for(context, None)
        try:
            return pack_descriptions([with_cost_tags(one, tags) for one in descriptions])
        except ConfigurationError:
            packed = pack_descriptions(descriptions)
            self.log.warning("The jobs get no tags for the bill: with them, their descriptions would be too large")
            return packed

    def _write_links(self, context: Context) -> None:
        if self.topic_name is not None:
            CmqTopicLink.persist(context, self.hook.access, self.topic_name)
        if self.queue_name is not None:
            CmqQueueLink.persist(context, self.hook.access, self.queue_name)
        keep_links(self)

    def _defer(
        self, context: Context, packed: str, items: Sequence[Item], submission: JobsSubmission, *, seed: str
    ) -> None:
        # The trigger's module brings the clients; a DAG file that imports an operator must not pay for them.
        from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger

        rules = RunRules(
            max_active=self.max_active,
            max_failures=failures_allowed(self.max_failures, len(items)),
            on_failure=self.on_failure,
            on_finish_action=self.on_finish_action,
        )
        how = "by polling the API" if self.queue_name is None else f"by event on queue {self.queue_name!r}"
        done = len(items) - len(failures_in(items))
        self.log.info("The triggerer submits %d jobs (%d are done), waiting %s", len(items) - done, done, how)
        wait = submission.waits
        jobs, notes = carried(context["ti"], handover_name(seed, wait), packed, items, is_stored=stores_triggers())
        self.defer(
            trigger=BatchJobsTrigger(
                jobs=jobs,
                total=len(items),
                placement=self.placement,
                notes=notes,
                seed=seed,
                wait=wait,
                rules=to_builtins(rules),
                queue_name=self.queue_name,
                tencentcloud_conn_id=self.tencentcloud_conn_id,
                region=self.region,
                reconcile_interval=self.poll_interval if self.queue_name is None else self.reconcile_interval,
                timeout=self.time_allowed,
                deadline=deadline_of(self.time_allowed, self.hook),
                hold=handover_seconds(),
                cancel_on_kill=self.cancel_on_kill,
                cancel_on_timeout=self.cancel_on_timeout,
                traceparent=submission.traceparent,
            ),
            method_name="execute_complete",
            timeout=deferral_timeout(self.time_allowed),
        )

    def _items_in(self, event: object) -> list[Item] | None:
        """Return the jobs that a trigger's event tells of."""
        notes = event.get("notes") if isinstance(event, Mapping) else None
        total = event.get("total") if isinstance(event, Mapping) else None
        if not is_list(notes) or not isinstance(total, int):
            return None
        return unpack_notes(dict(enumerate(notes)), total)

    def _pulled_items(self, context: Context) -> list[Item] | None:
        """Return the jobs as the triggerer has noted them last, for a wait that has ended without its event."""
        record = JobsRecord(context)
        submission = record.load()
        if submission is None:
            return None
        name = handover_name(record.seed(submission), submission.waits)
        ti = context["ti"]
        pull = partial(ti.xcom_pull, task_ids=ti.task_id, map_indexes=ti.map_index)
        found = {chunk: pull(key=f"{name}_{chunk}") for chunk in range(chunks_of(submission.total))}
        return unpack_notes(found, submission.total)

    def _give_up(self, context: Context, items: list[Item], *, is_ended: bool) -> None:
        """End the jobs that nobody waits for any more, or say that they run on."""
        running = [item for item in items if item.job_id is not None and item.state is None]
        ids = [item.job_id for item in running if item.job_id is not None]
        if is_ended:
            for item in running:
                item.state = TIMEOUT
        try:
            JobsRecord(context).end(items)
            if is_ended and ids:
                from airflow_batch_events.waiting.job_termination import end_jobs_here

                self.log.info("The time is over: %d jobs are ended", len(ids))
                end_jobs_here(self.hook.access, ids)
            elif ids:
                self.log.error("%d jobs run on: a retry finds them again", len(ids))
        except BatchEventsError as error:
            self.log.error("%d jobs may still run: %s", len(ids), error)

    def _conclude(self, context: Context, items: Sequence[Item], stopped: str | None) -> Any:
        failed = len(failures_in(items))
        self.log.info("%d of %d jobs have succeeded", len(items) - failed, len(items))
        outcomes = outcomes_of(items)
        self.note_ends(outcomes)
        is_cut_off = any(item.state in (None, TIMEOUT) for item in items)
        result = outcomes if self.result == "outcomes" else summary_of(items)
        if is_cut_off or failed > failures_allowed(self.max_failures, len(items)):
            from airflow_batch_events.waiting.many_end import error_of_many, push_outcome

            push_outcome(context["ti"], result)
            error = error_of_many(items, stopped, self.fail_on_exit_code)
            self.log.error("%s", error)
            raise error
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                extra = {"total": len(items), "succeeded": len(items) - failed}
                context["outlet_events"][outlet].extra.update(extra)
        return result
