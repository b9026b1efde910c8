# SPDX-License-Identifier: Apache-2.0
"""
Submit Batch jobs that announce their end by event, and end, retry or delete them.

The rule that must not be relaxed: once a job may have been submitted, whatever ends the task says in its log what
becomes of the job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.airflow_compat.exceptions import (
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow_batch_events.airflow_compat.task_state import submission_store
from airflow_batch_events.events.catalog import DELETED_STATES, JOB_EVENTS, JobState, OnFinishAction
from airflow_batch_events.events.notifications import DEFAULT_JOB_EVENTS
from airflow_batch_events.events.outcome import NOT_STARTED, TIMEOUT, EndedBy, Outcome
from airflow_batch_events.events.outcomes.durations import JobTimes, instances_in
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import BatchEventsError, BatchJobResultError, ParameterError
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.base import PollingOperator
from airflow_batch_events.operators.job_actions import (
    BatchDeleteJobOperator,
    BatchRetryJobsOperator,
    BatchTerminateJobOperator,
)
from airflow_batch_events.operators.job_end import raise_as_told
from airflow_batch_events.operators.job_output import JobOutputOperator
from airflow_batch_events.operators.many_jobs import BatchSubmitJobsOperator
from airflow_batch_events.operators.notifying import NOTIFYING, NotifyingOperator
from airflow_batch_events.operators.tagging import TaggingOperator
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.decision import OnChangedJob
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.submission.tag_search import find_tagged
from airflow_batch_events.waiting.job_steps import JobSteps, NextJob, Step, job_of
from airflow_batch_events.waiting.parameters import CONNECTION, Reader, choice_of, description_of
from airflow_batch_events.waiting.submit_checks import check_description, check_queue, check_wait
from airflow_batch_events.waiting.submit_once import JobSubmission, submit_once
from airflow_batch_events.waiting.task_result import JOB_ID_XCOM
from airflow_batch_events.waiting.traces import SUBMIT, traced
from airflow_batch_events.waiting.trigger_start import refuse_callbacks

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

__all__ = [
    "BatchDeleteJobOperator",
    "BatchRetryJobsOperator",
    "BatchSubmitJobOperator",
    "BatchSubmitJobsOperator",
    "BatchTerminateJobOperator",
]

TIMED_OUT = "the task's execution_timeout passed before the job ended"


class BatchSubmitJobOperator(NotifyingOperator, TaggingOperator, JobOutputOperator, PollingOperator):
    """
    Submit a Tencent Cloud Batch job and, if wanted, wait for it by event.

    The job's id is pushed as XCom ``job_id`` before the wait. The return value is the job's outcome, what the job has
    left behind (``result``, ``result_path``), or its id when the operator does not wait. A failed job fails the task
    with an error that says what failed and why. The asset events of the task's ``outlets`` carry the outcome as their
    extra.

    The bases take what the job publishes (``topic_name``, ``events``, ``event_vars``, ``notifications``), how the task
    waits (``queue_name``, ``deferrable``, ``reconcile_interval``, ``poll_interval``), how it ends
    (``skip_on_exit_code``, ``fail_on_exit_code``), what it shows and returns (``log_output``, ``result``,
    ``result_path``), ``cost_tags``, ``tencentcloud_conn_id`` and ``region``.

    :param job: The API's ``Job`` object (page 599/15907) in its own PascalCase, or the text of one, in JSON or as a
        template shows it. Text and numbers become what the API takes. A list has one for each try, the last for all
        further ones. A function ``next_job(attempt, failure)`` returns the one of a try, always the same for the same
        arguments: 1 for the first, and the facts of the last failure as a dictionary, or None; templates in what it
        returns are not rendered. ``{"Job": ..., "Placement": ...}`` is a job in another zone than ``placement`` says.
        (templated)
    :param placement: The API's ``Placement`` object, ``{"Zone": "ap-guangzhou-6"}`` at least, or its text. (templated)
    :param wait_for_completion: Whether to wait until the job has settled.
    :param start_timeout: Seconds after which a job that has not begun to run fails the task with the cloud's reason
        (no capacity, a bad image) and is ended.
    :param cancel_on_kill: Whether the job is ended when a user ends the waiting task: marks it, or clears it. A task
        that was cleared while it waited then submits a new job; otherwise it reattaches to the one that runs.
    :param cancel_on_timeout: Whether the job is ended when ``execution_timeout`` or ``start_timeout`` passes.
    :param cancel_on_error: Whether the job is ended when the task fails because it could not wait for it: keys that
        were taken away, a queue that was deleted. Otherwise it runs on, and a retry reattaches to it.
    :param end_from_trigger: Whether a deferred wait also ends in the triggerer, so that no worker is needed to end the
        task. By default it does when the job has succeeded and nothing of the task needs a worker then (success
        callbacks, outlets, ``log_output``, a result, ``on_finish_action``, listeners of the deployment); any other end
        is a worker's. False ends each task on a worker. True ends failed ones in the triggerer, too: it implies
        ``deferrable``; what needs a worker is refused; failure callbacks run in the DAG processor, without the
        exception. A wait that times out is ended on a worker in any case.
    :param on_finish_action: ``keep`` the job when it has ended and was waited for, ``delete_succeeded`` jobs only, or
        ``delete`` every job that ended SUCCEED or FAILED; an account may have 1,000 jobs, the ended ones included.
    :param durable: Whether to remember the job between tries, so that a retry reattaches to it. Before Airflow 3.3 the
        retry searches for it by six tags that are added to the job, of the ten that the API takes. It does not notice
        another account, region or endpoint then, and a job that may be retried is not deleted when it has failed.
    :param on_changed_job: What to do when a later try has another job description, or would submit to another account,
        region or endpoint, while the job of an earlier one runs or has succeeded: ``fail``, or ``submit`` the new one,
        whatever becomes of the old one.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "job": job_of,
        "placement": description_of,
        "result_path": JobOutputOperator.readers["result_path"],
        **NOTIFYING,
        **PollingOperator.readers,
    }
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "job": "json",
        "placement": "json",
        **NotifyingOperator.template_fields_renderers,
    }
    operator_extra_links = (BatchJobLink(), CmqTopicLink(), CmqQueueLink())
    ui_color = "#dcebfb"
    submits_job = True
    described_by = "job"
    allowed_events = JOB_EVENTS
    default_events = DEFAULT_JOB_EVENTS

    def __init__(
        self,
        *,
        job: dict[str, Any] | list[dict[str, Any]] | NextJob,
        placement: dict[str, Any],
        wait_for_completion: bool = True,
        start_timeout: float | str | timedelta | None = None,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        cancel_on_error: bool = True,
        end_from_trigger: bool | None = None,
        on_finish_action: OnFinishAction = "keep",
        durable: bool = True,
        on_changed_job: OnChangedJob = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Airflow calls a function in a template field, to render it, with arguments of its own.
        self.next_job = job if callable(job) else None
        self.job = None if callable(job) else job
        self.placement = placement
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)
        self.end_from_trigger = self.read_switch("end_from_trigger", end_from_trigger)
        self.deferrable = self.deferrable or self.end_from_trigger is True
        self.start_timeout = None if start_timeout is None else self.read_interval("start_timeout", start_timeout)
        self.cancel_on_kill = self.read_flag("cancel_on_kill", cancel_on_kill)
        self.cancel_on_timeout = self.read_flag("cancel_on_timeout", cancel_on_timeout)
        self.cancel_on_error = self.read_flag("cancel_on_error", cancel_on_error)
        self.on_finish_action = self.read(choice_of, "on_finish_action", on_finish_action, choices=OnFinishAction)
        self.durable = self.read_flag("durable", durable)
        self.on_changed_job = self.read(choice_of, "on_changed_job", on_changed_job, choices=OnChangedJob)
        self._job_id: str | None = None
        if self.end_from_trigger:
            refuse_callbacks(self)
            self.refuse_end()
        if self.returns_result and not self.wait_for_completion:
            raise ParameterError(f"task {self.task_id!r}: without waiting for its end a job has no result")

    def execute(self, context: Context) -> Any:
        """Submit the job, or reattach to the one that an earlier try has submitted, and wait."""
        self.read_parameters(*(name for name in self.readers if name != "job" or self.next_job is None))
        check_wait(self, reads_queue=self._reads_queue)
        self.check_result(1)
        store = self._store(context)
        steps = self._steps(context, store)
        step = self._prepared(self.job, self.placement) if steps is None else steps.step(1, None)
        try:
            with traced(SUBMIT, job_name=step.job.get("JobName")) as span:
                submission, job_id = submit_once(
                    JobSubmission(self.hook, step.job, step.placement, steps),
                    store,
                    on_changed=self.on_changed_job,
                    check=partial(check_queue, self, reads_queue=self._reads_queue),
                    on_id=partial(setattr, self, "_job_id"),
                    tags=partial(self._tags_of, context, store),
                    traceparent=span.traceparent,
                )
                span.set(job_id=job_id, submission=submission.number)
                # Where no trace is recorded, the job's parent is a span that nobody writes.
                self.traceparent = submission.traceparent if store.keeps_identity else span.traceparent
                span.link(self.traceparent)
            outcomes = self._wait(context, store, submission, job_id)
        except AirflowTaskTimeout:
            if self._job_id is None or not self.wait_for_completion:
                raise
            # Let through, it would end the job as on_kill does, whatever cancel_on_timeout says.
            timed_out = Outcome(self._job_id, TIMEOUT, succeeded=False, reason=TIMED_OUT, source=EndedBy.DEADLINE.value)
            outcomes = [timed_out.with_times(JobTimes(instances=self.instances))]
        except Exception as error:
            if self._job_id is not None:
                is_ended = self.cancel_on_error and not isinstance(error, AirflowSkipException)
                self._give_up(self._job_id, error, is_ended=is_ended)
            raise
        return job_id if outcomes is None else self._conclude(context, outcomes)

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Take what the trigger fired: return the outcome or the result, or fail with what failed and why."""
        self.read_parameters("result_path", *CONNECTION)
        self._store(context).resumed()
        try:
            outcomes = self.outcomes_of(event)
        except Exception as error:
            for job_id in _awaited_in(event):
                self._give_up(job_id, error, is_ended=self.cancel_on_error)
            raise
        return self._conclude(context, outcomes)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task, or end the job of a wait that Airflow itself has ended: no event says so then."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            is_over = isinstance(error, TaskDeferralTimeout)
            job_id = self._find_submitted(context)
            if job_id is not None:
                self._give_up(job_id, error, is_ended=self.cancel_on_timeout if is_over else self.cancel_on_error)
            raise

    @property
    def wanted_at_the_end(self) -> list[str]:
        """The parameters in use that need a worker when the task ends well."""
        return [*super().wanted_at_the_end, *(["on_finish_action"] if self.on_finish_action != "keep" else [])]

    def on_kill(self) -> None:
        """End the job that this task waits for on its worker."""
        if self.cancel_on_kill and self.wait_for_completion and self._job_id is not None:
            self.log.info("The task was ended: %s", self.hook.terminate_job(self._job_id))

    @property
    def _reads_queue(self) -> bool:
        return self.deferrable and self.wait_for_completion

    def _steps(self, context: Context, store: SubmissionStore) -> JobSteps | None:
        """Return the descriptions of the task's submissions, where each has its own."""
        if isinstance(self.job, Mapping):
            return None
        if self.next_job is not None and store.is_durable and not store.keeps_identity:
            raise ParameterError(
                f"task {self.task_id!r}: job is a function, which needs to know what earlier tries have submitted, and "
                f"this version of Airflow keeps no state of tasks: give a list, one job for each try, or use Airflow "
                f"3.3"
            )
        jobs = self.job or [] if self.next_job is None else self.next_job
        return JobSteps(jobs, self.placement, self._prepared, None if store.is_durable else context["ti"].try_number)

    def _prepared(self, job: Any, placement: Mapping[str, Any]) -> Step:
        description = self.with_notifications("job", job)
        check_description(job=description, placement=placement)
        self.instances = instances_in(description)
        return Step(description, placement)

    def _tags_of(self, context: Context, store: SubmissionStore, submission: Submission) -> Mapping[str, str]:
        # What is sent again under its token must be the same; without a record each try has its own token.
        return self.tags_for(context, submission.number if store.is_durable else context["ti"].try_number)

    def _store(self, context: Context) -> SubmissionStore:
        return submission_store(
            context,
            partial(find_tagged, self.hook.send, batch.describe_tagged_jobs),
            durable=self.durable,
            ends_when_cleared=self._is_ended_with_wait,
            deletes_when_ended=self.on_finish_action != "keep",
        )

    @property
    def _is_ended_with_wait(self) -> bool:
        """Whether the triggerer ends the job when a user clears the task meanwhile."""
        return self.deferrable and self.wait_for_completion and self.cancel_on_kill

    def _wait(
        self, context: Context, store: SubmissionStore, submission: Submission, job_id: str
    ) -> list[Outcome] | None:
        """Wait as the task is told to; None for a task that does not wait."""
        context["ti"].xcom_push(key=JOB_ID_XCOM, value=job_id)
        self.write_links(context, job_id, self.topic_name)
        if not self.wait_for_completion:
            self.emit_outcome(context, {"job_id": job_id})
            return None
        if self._is_ended_with_wait:
            store.waits(submission)
        return self.wait_for_jobs([job_id], timeout=self.time_allowed)

    def _find_submitted(self, context: Context) -> str | None:
        """Return the job of a task that was deferred."""
        try:
            submission = self._store(context).load()
        except BatchEventsError as error:
            self.log.warning("%s", error)
            submission = None
        if submission is not None and submission.job_id is not None:
            return submission.job_id
        ti = context["ti"]
        pushed = ti.xcom_pull(task_ids=ti.task_id, key=JOB_ID_XCOM, map_indexes=ti.map_index)
        return pushed if isinstance(pushed, str) else None

    def _give_up(self, job_id: str, error: Exception, *, is_ended: bool) -> None:
        """Say what becomes of a job that nobody waits for any more."""
        if is_ended:
            what = self.hook.terminate_job(job_id)
        else:
            what = f"job {job_id} runs on: a retry finds it again, BatchTerminateJobOperator or the console ends it"
        self.log.error("The task cannot wait for its job (%s): %s", type(error).__name__, what)

    def _conclude(self, context: Context, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        (outcome,) = outcomes
        explained = None
        if not outcome.succeeded:
            explained = self.explain(context, outcomes, outcomes, codes=self.exit_codes)
        if explained is not None and self.next_job is not None:
            for told in explained.outcomes:
                self._store(context).failed((told.failure or Failure(told.job_id, told.state)).without_output())
        if outcome.state in (TIMEOUT, NOT_STARTED) and self.cancel_on_timeout:
            self.log.info("Timed out: %s", self.hook.terminate_job(outcome.job_id))
        self.show_output(outcomes)
        if explained is not None:
            self._tidy_up(context, outcome)
            raise_as_told(explained)
        self.count_ends(context, outcomes)
        value = self._value_of(context, outcomes)
        self._tidy_up(context, outcome)
        self.emit_outcome(context, outcome.to_dict())
        return value

    def _value_of(self, context: Context, outcomes: Sequence[Outcome]) -> Any:
        try:
            return self.value_of(context, outcomes)
        except BatchJobResultError as error:
            # A later try would find the same job, and the same value, if this one counted as a success.
            store = self._store(context)
            try:
                submission = store.load()
                if submission is not None and submission.job_id == error.job_id:
                    store.ended(submission, JobState.FAILED.value)
            except BatchEventsError as trouble:
                self.log.warning("A later try will find the same job again: %s", trouble)
            raise

    def _tidy_up(self, context: Context, outcome: Outcome) -> None:
        if outcome.state not in DELETED_STATES[self.on_finish_action]:
            return
        store = self._store(context)
        try:
            submission = store.load()
            if submission is not None and submission.job_id == outcome.job_id:
                store.ended(submission, outcome.state)
            self.hook.delete_job(outcome.job_id)
            self.log.info("Deleted job %s", outcome.job_id)
        except BatchEventsError as error:
            # The job has ended and its result is known; that it is still listed must not change the result.
            self.log.warning("Cannot delete job %s: %s", outcome.job_id, error)


def _awaited_in(event: object) -> Sequence[str]:
    """Return the jobs that a trigger has waited for, as far as it says so."""
    given = event.get("job_id") if isinstance(event, Mapping) else None
    return [job_id for job_id in (given if is_list(given) else [given]) if job_id and isinstance(job_id, str)]
