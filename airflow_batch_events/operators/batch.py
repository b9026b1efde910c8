# SPDX-License-Identifier: Apache-2.0
"""Submit Batch jobs that say by event how they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.airflow_compat.exceptions import (
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow_batch_events.airflow_compat.task_state import submission_store
from airflow_batch_events.events.catalog import JOB_EVENTS, JobState
from airflow_batch_events.events.notifications import (
    DEFAULT_JOB_EVENTS,
    normalize_notifications,
    read_event_vars,
)
from airflow_batch_events.events.outcome import NOT_STARTED, RECONCILE_INTERVAL, TIMEOUT, EndedBy, Outcome, OutcomeDict
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import BatchEventsError, SubmissionRecordError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.operators.job_life import (
    BatchDeleteJobOperator,
    BatchRetryJobsOperator,
    BatchTerminateJobOperator,
)
from airflow_batch_events.operators.job_wait_mixin import JobWaitMixin, check_choice, timeout_of
from airflow_batch_events.submission.decision import OnChangedJob
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.waiting.notifying import NotifyMixin
from airflow_batch_events.waiting.parameters import (
    CONNECTION,
    ParameterMixin,
    Reader,
    description_of,
    optional,
    queue_name_of,
    topic_name_of,
)
from airflow_batch_events.waiting.submit_checks import check_description, check_queue, check_wait
from airflow_batch_events.waiting.submit_once import submit_once
from airflow_batch_events.waiting.trigger_start import refuse_callbacks

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

__all__ = [
    "BatchDeleteJobOperator",
    "BatchRetryJobsOperator",
    "BatchSubmitJobOperator",
    "BatchTerminateJobOperator",
]

OnFinishAction = Literal["keep", "delete_succeeded", "delete"]

JOB_ID_XCOM = "job_id"
"""The XCom key under which a job's id is pushed as soon as it is known, before the wait."""


TIME_IS_OVER = "the task's execution_timeout passed before the job ended"


class BatchSubmitJobOperator(ParameterMixin, NotifyMixin, JobWaitMixin, BaseOperator):
    """
    Submit a Tencent Cloud Batch job and, if wanted, wait for it by event.

    The job's id is pushed as XCom ``job_id`` before the wait. The return value is the job's outcome, or its id when the
    operator does not wait. A failed job fails the task with an error that says what failed and why. The asset events of
    the task's ``outlets`` carry the outcome as their extra.

    :param job: The API's ``Job`` object (page 599/15907) in its own PascalCase, or the text of one, in JSON or as a
        template shows it. Text and numbers become what the API takes. (templated)
    :param placement: The API's ``Placement`` object, ``{"Zone": "ap-guangzhou-6"}`` at least, or its text. (templated)
    :param topic_name: The topic to which Batch publishes the job's events; its name, not its id, at most 64 characters.
        (templated)
    :param events: The events to publish, one or a list, in either spelling; by default JOB_SUCCEED, JOB_FAILED and
        JOB_FAILED_INTERRUPTED, without which a wait lives on looks at the API.
    :param event_vars: Custom parameters that come with the events: one mapping for all of them, or one per event name,
        or the text of it. A value is text, a number or a boolean, and goes out as text. They are public: messages,
        logs and XComs show them, so no secret belongs there. (templated)
    :param notifications: Instead of the three above, the full ``Notifications`` list in the API's or the guide's
        spelling, or its text. (templated)
    :param queue_name: The queue that the topic forwards to. None waits by looking at the API alone. (templated)
    :param wait_for_completion: Whether to wait until the job has settled.
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says. Without,
        the wait keeps its worker slot and looks at the API.
    :param reconcile_interval: Seconds between looks at the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    :param poll_interval: Seconds between looks when there are no events to wait for.
    :param start_timeout: Seconds after which a job that has not begun to run fails the task with the cloud's reason
        (no capacity, a bad image) and is ended.
    :param cancel_on_kill: Whether the job is ended when a user ends the waiting task: marks it, or clears it. A task
        that was cleared while it waited then submits a new job; otherwise it reattaches to the one that runs.
    :param cancel_on_timeout: Whether the job is ended when ``execution_timeout`` or ``start_timeout`` passes.
    :param cancel_on_error: Whether the job is ended when the task fails because it could not wait for it: keys that
        were taken away, a queue that was deleted. Otherwise it runs on, and a retry reattaches to it.
    :param end_from_trigger: Whether a deferred wait also ends in the triggerer, so that no worker is needed to end the
        task. It implies ``deferrable``; success callbacks, outlets, ``log_output`` and ``on_finish_action`` need a
        worker and are refused; failure callbacks run in the DAG processor, without the exception. A wait that
        times out is still ended on a worker.
    :param on_finish_action: ``keep`` the job when it has ended and was waited for, ``delete_succeeded`` jobs only, or
        ``delete`` every job that ended SUCCEED or FAILED; an account may have 1,000 jobs, the ended ones included.
    :param log_output: Whether the ends of the output of a job that succeeded go to the task's log as well.
    :param durable: Whether to remember the job between tries, so that a retry reattaches to it.
    :param on_changed_job: What to do when a later try has another job description, or would submit to another account,
        region or endpoint, while the job of an earlier one runs or has succeeded: ``fail``, or ``submit`` the new one,
        whatever becomes of the old one.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    """

    template_fields: Sequence[str] = (
        "job",
        "placement",
        "topic_name",
        "event_vars",
        "notifications",
        "queue_name",
        "tencentcloud_conn_id",
        "region",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "job": "json",
        "placement": "json",
        "event_vars": "json",
        "notifications": "json",
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        "job": description_of,
        "placement": description_of,
        "topic_name": optional(topic_name_of),
        "event_vars": optional(read_event_vars),
        "notifications": optional(lambda _, value: normalize_notifications(value)),
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchJobLink(), CmqTopicLink(), CmqQueueLink())
    ui_color = "#dcebfb"

    def __init__(
        self,
        *,
        job: dict[str, Any],
        placement: dict[str, Any],
        topic_name: str | None = None,
        events: Sequence[str] | str | None = None,
        event_vars: Mapping[str, Any] | None = None,
        notifications: Sequence[Mapping[str, Any]] | None = None,
        queue_name: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL,
        poll_interval: float | str | timedelta = 30.0,
        start_timeout: float | str | timedelta | None = None,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        cancel_on_error: bool = True,
        end_from_trigger: bool = False,
        on_finish_action: OnFinishAction = "keep",
        log_output: bool = False,
        durable: bool = True,
        on_changed_job: OnChangedJob = "fail",
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.placement = placement
        self.topic_name = topic_name
        self.events = self.read_events(events, JOB_EVENTS)
        self.event_vars = event_vars
        self.notifications = notifications
        self.queue_name = queue_name
        self.wait_for_completion = self.read_flag("wait_for_completion", wait_for_completion)
        self.end_from_trigger = self.read_flag("end_from_trigger", end_from_trigger)
        self.deferrable = self.read_flag("deferrable", deferrable) or self.end_from_trigger
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)
        self.poll_interval = self.read_interval("poll_interval", poll_interval)
        self.start_timeout = None if start_timeout is None else self.read_interval("start_timeout", start_timeout)
        self.cancel_on_kill = self.read_flag("cancel_on_kill", cancel_on_kill)
        self.cancel_on_timeout = self.read_flag("cancel_on_timeout", cancel_on_timeout)
        self.cancel_on_error = self.read_flag("cancel_on_error", cancel_on_error)
        self.on_finish_action = on_finish_action
        self.log_output = self.read_flag("log_output", log_output)
        self.durable = self.read_flag("durable", durable)
        self.on_changed_job = on_changed_job
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self._job_id: str | None = None
        self.read(check_choice, "on_finish_action", on_finish_action, choices=OnFinishAction)
        self.read(check_choice, "on_changed_job", on_changed_job, choices=OnChangedJob)
        self.check_notifying()
        if self.end_from_trigger:
            refuse_callbacks(self)
            if on_finish_action != "keep" or self.log_output:
                raise ValueError(
                    f"task {self.task_id!r}: on_finish_action and log_output need a worker at the end: leave them out, "
                    f"or leave out end_from_trigger"
                )

    def execute(self, context: Context) -> Any:
        """Submit the job, or reattach to the one that an earlier try has submitted, and wait."""
        self.read_parameters()
        description = self.with_notifications("job", self.job, JOB_EVENTS, DEFAULT_JOB_EVENTS)
        check_description(job=description, placement=self.placement)
        check_wait(self, reads_queue=self._reads_queue)
        store = submission_store(context, durable=self.durable)
        try:
            submission, job_id = submit_once(
                self.hook,
                store,
                description,
                self.placement,
                on_changed_job=self.on_changed_job,
                check=partial(check_queue, self, reads_queue=self._reads_queue),
                on_job=partial(setattr, self, "_job_id"),
            )
            outcomes = self._wait(context, store, submission, job_id)
        except AirflowTaskTimeout:
            if self._job_id is None or not self.wait_for_completion:
                raise
            # Let through, it would end the job as on_kill does, whatever cancel_on_timeout says.
            outcomes = [
                Outcome(self._job_id, TIMEOUT, succeeded=False, reason=TIME_IS_OVER, source=EndedBy.DEADLINE.value)
            ]
        except Exception as error:
            if self._job_id is not None:
                is_ended = self.cancel_on_error and not isinstance(error, AirflowSkipException)
                self._give_up(self._job_id, error, is_ended=is_ended)
            raise
        return job_id if outcomes is None else self._conclude(context, outcomes)

    def execute_complete(self, context: Context, event: Any = None) -> OutcomeDict:
        """Take what the trigger fired: return the outcome, or fail with what failed and why."""
        self.read_parameters(*CONNECTION)
        submission_store(context, durable=self.durable).resumed()
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

    def on_kill(self) -> None:
        """End the job that this task waits for on its worker."""
        if self.cancel_on_kill and self.wait_for_completion and self._job_id is not None:
            self.log.info("The task was ended: %s", self.hook.terminate_job(self._job_id))

    @property
    def _reads_queue(self) -> bool:
        return self.deferrable and self.wait_for_completion

    def _wait(
        self, context: Context, store: SubmissionStore, submission: Submission, job_id: str
    ) -> list[Outcome] | None:
        """Wait as the task is told to; None for a task that does not wait."""
        context["ti"].xcom_push(key=JOB_ID_XCOM, value=job_id)
        self.write_links(context, job_id, self.topic_name)
        if not self.wait_for_completion:
            self.emit_outcome(context, {"job_id": job_id})
            return None
        if self.deferrable and self.cancel_on_kill:
            store.waits(submission)
        return self.wait_for_jobs([job_id], timeout=timeout_of(self.execution_timeout))

    def _find_submitted(self, context: Context) -> str | None:
        """Return the job of a task that was deferred."""
        try:
            submission = submission_store(context, durable=self.durable).load()
        except SubmissionRecordError as error:
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
            fate = self.hook.terminate_job(job_id)
        else:
            fate = f"job {job_id} runs on: a retry finds it again, BatchTerminateJobOperator or the console ends it"
        self.log.error("The task cannot wait for its job (%s): %s", type(error).__name__, fate)

    def _conclude(self, context: Context, outcomes: Sequence[Outcome]) -> OutcomeDict:
        self.log_end(outcomes)
        (outcome,) = outcomes
        error = None if outcome.succeeded else self.error_for(outcome)
        if outcome.state in (TIMEOUT, NOT_STARTED) and self.cancel_on_timeout:
            self.log.info("The time is over: %s", self.hook.terminate_job(outcome.job_id))
        if outcome.succeeded and self.log_output:
            self._show_output(outcome.job_id)
        self._tidy_up(context, outcome)
        if error is not None:
            raise error
        result = outcome.to_dict()
        self.emit_outcome(context, result)
        return result

    def _show_output(self, job_id: str) -> None:
        try:
            for line in self.hook.read_output(job_id):
                self.log.info("%s", line)
        except BatchEventsError as error:
            self.log.warning("Cannot read the output of job %s: %s", job_id, error)

    def _tidy_up(self, context: Context, outcome: Outcome) -> None:
        doomed = {"keep": (), "delete_succeeded": (JobState.SUCCEED.value,)}.get(
            self.on_finish_action, (JobState.SUCCEED.value, JobState.FAILED.value)
        )
        if outcome.state not in doomed:
            return
        store = submission_store(context, durable=self.durable)
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
