# SPDX-License-Identifier: Apache-2.0
"""
Wait for jobs in the triggerer.

Everything that is worth testing lives below this file, in ``dispatch`` and ``events``. Three rules of Airflow shape
it: ``yield`` is the last statement of ``run``, because what a trigger does afterwards is cancelled; nothing is opened
in ``__init__``, because the triggerer makes the object on its event loop; and what only ``run`` needs is not imported
at the top, because the triggerer imports this module there, too (``protocol/late_import.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.airflow_compat.triggerer import (
    calls_on_kill,
    finish_although_cancelled,
    in_own_log,
    is_still_deferred,
    prepare_supervisor,
    task_of,
)
from airflow_batch_events.airflow_compat.xcom import pull_in_trigger
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import DEFAULT_GRACE, RECONCILE_INTERVAL, Outcome
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.job_outcome import count_of
from airflow_batch_events.events.values import NOTHING, job_ids_of, name_of
from airflow_batch_events.exceptions import NotStorableError, ParameterError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.protocol.late_import import imported
from airflow_batch_events.protocol.per_loop import PerLoop
from airflow_batch_events.protocol.time_limit import within
from airflow_batch_events.text import MAX_TEXT, printable
from airflow_batch_events.triggers.base import StoredTrigger
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.waiting.job_link import link_written
from airflow_batch_events.waiting.storable import fire
from airflow_batch_events.waiting.traces import WAIT, traced

if TYPE_CHECKING:
    from airflow_batch_events.dispatch.consumer import Consumer
    from airflow_batch_events.protocol.apis.live_output import LiveOutput

_TO_END = ("airflow_batch_events.waiting.task_completion", "airflow_batch_events.waiting.job_termination")
"""What the end of a task needs, and not its wait."""

ENDING_BOUND = 60.0
"""Seconds that ending the jobs of a killed task may take altogether."""

PREPARE_AFTER = 1.0
"""Seconds from the first wait of a process until it prepares for the end: by then the wait has polled."""

_preparations: PerLoop[None, asyncio.Future[None]] = PerLoop()


def check_rendered(trigger: BatchJobTrigger) -> None:
    """
    Read what was rendered here as a worker reads it.

    :raises ParameterError: For what is no job id or list of them, and for a parameter that was given and is rendered to
        nothing.
    """
    trigger.job_id = job_ids_of("job_id", trigger.job_id)
    task = task_of(trigger)
    if task is None:
        return
    for name in ("queue_name", "tencentcloud_conn_id", "region"):
        value = getattr(trigger, name)
        is_nothing = value is None or str(value).strip() in NOTHING
        if is_nothing and (value is not None or getattr(task, name, None) is not None):
            raise ParameterError(f"{name} was given, and was rendered to nothing: leave it out, or give it a value")
        if value is not None:
            setattr(trigger, name, name_of(name, value))
    if isinstance(trigger.end, Mapping):
        trigger.end = {**trigger.end, "is_list": not isinstance(trigger.job_id, str)}


class BatchJobTrigger(StoredTrigger):
    """
    Fire once when all the jobs have settled, with one outcome for each.

    All triggers of a triggerer that name the same queue share one reader, whatever jobs they wait for.

    :param job_id: One job id, or a list of them.
    :param queue_name: The queue that the jobs' topic forwards to; None waits by polling the API alone.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param reconcile_interval: Seconds between polls of the API at the most, while the queue can be read.
    :param grace: Seconds for which a job that the API does not know counts as not visible yet.
    :param deadline: Unix seconds of the cloud at which the wait is over, for a triggerer that begins it anew; see
        :class:`~airflow_batch_events.dispatch.deadline.Deadline`. None where it was not known when the wait began.
    :param start_deadline: As ``deadline``, for a job that has not begun to run.
    :param not_before: What version 0.1.0 has stored for ``hold``, in Unix seconds.
    :param cancel_on_kill: Whether the jobs are ended when a user marks the task or clears it.
    :param end: How to end the task here, as :class:`~airflow_batch_events.waiting.task_completion.TaskEnd` takes it;
        None fires for a worker that ends it.
    :param deadline_lead: What version 0.1.0 has stored for a task that begins here: seconds by which the wait is over
        before Airflow's own time-out of the deferral.
    :param timeout: Seconds from the trigger's beginning after which the wait is over; None waits without end.
    :param start_timeout: As ``timeout``, for a job that has not begun to run.
    :param hold: Seconds from the trigger's beginning before which nothing is fired for a worker; ten at the most.
    :param begins_here: Whether no worker has begun the task, so that the job's link is written here.
    :param instances: How many task instances the job has, where the task knows it.
    :param traceparent: The trace that the job was sent with, where it has one.
    :param live: Whether new output of the jobs is shown in the task's log meanwhile.
    """

    def __init__(
        self,
        job_id: str | list[str] = "",
        queue_name: str | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        reconcile_interval: float = RECONCILE_INTERVAL,
        grace: float = DEFAULT_GRACE,
        deadline: float | None = None,
        start_deadline: float | None = None,
        not_before: float | None = None,
        cancel_on_kill: bool = False,
        end: dict[str, Any] | None = None,
        deadline_lead: float | None = None,
        timeout: float | None = None,
        start_timeout: float | None = None,
        hold: float | None = None,
        begins_here: bool = False,
        instances: int | None = None,
        traceparent: str | None = None,
        live: bool = False,
    ) -> None:
        super().__init__()
        self.job_id = job_id
        self.queue_name = queue_name
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.reconcile_interval = reconcile_interval
        self.grace = grace
        self.deadline = deadline
        self.start_deadline = start_deadline
        self.not_before = not_before
        self.cancel_on_kill = cancel_on_kill
        self.end = end
        self.deadline_lead = deadline_lead
        self.timeout = timeout
        self.start_timeout = start_timeout
        self.hold = hold
        self.begins_here = begins_here
        self.instances = instances
        self.traceparent = traceparent
        self.live = live
        self.timeout_after: datetime | None = None
        self._has_fired = False
        self._output: LiveOutput | None = None

    @calls_on_kill
    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended", "outcomes": [...]}`` or ``{"status": "error", ...}``, or end it all."""
        self.note_unknown()
        handover = Handover(self.hold, self.not_before)
        try:
            event = self._event(await self._wait())
        except Exception as error:  # noqa: BLE001 - it ends this wait, and its task hears why
            event = self._error_event(error)
        end: TriggerEvent | None = None
        if self.end is not None and self.task_instance is not None:
            await imported(*_TO_END)
            from airflow_batch_events.hooks.batch import BatchHook
            from airflow_batch_events.waiting.task_completion import end_task

            hook = BatchHook(self.tencentcloud_conn_id, self.region)
            end = await end_task(self, self.end, event.payload, hook, job_id=self.job_id)
        if end is None:
            await handover.passed()
        self._has_fired = True
        yield end or event

    async def on_kill(self) -> None:
        """End the jobs, because a user has ended the task; not when the trigger has fired or has only moved."""
        if self.cancel_on_kill and not self._has_fired:
            await finish_although_cancelled(within(ENDING_BOUND, self._end_jobs()))

    async def _end_jobs(self) -> None:
        if await self._is_still_wanted():
            self.log.info("The wait goes on elsewhere: %s keeps running", ", ".join(self._job_ids))
            return
        await imported(*_TO_END)
        from airflow_batch_events.waiting.job_termination import end_jobs

        for report in await end_jobs(self.tencentcloud_conn_id, self.region, self._job_ids):
            self.log.info("The task was ended: %s", report)

    async def _is_still_wanted(self) -> bool:
        if not await is_still_deferred(self):
            return False
        if abilities.HAS_STATE_STORE:
            return True
        await imported(*_TO_END)
        from airflow_batch_events.waiting.task_result import JOB_ID_XCOM

        # A task that was cleared may wait again by now. Where it could not note its job, it may be for another one.
        waits_for = await pull_in_trigger(self, JOB_ID_XCOM)
        return not isinstance(waits_for, str) or waits_for in self._job_ids

    @property
    def _job_ids(self) -> list[str]:
        ids = [self.job_id] if isinstance(self.job_id, str) else self.job_id
        return [job_id for job_id in ids if isinstance(job_id, str)] if isinstance(ids, Sequence) else []

    @property
    def _given_ids(self) -> str | list[str]:
        """What is waited for, in the form in which it was given: one id, or a list."""
        return self.job_id if isinstance(self.job_id, str) else self._job_ids

    @property
    def _deadline(self) -> float | None:
        lead = self.seconds("deadline_lead")
        if lead is None or self.timeout_after is None:
            return self.moment("deadline")
        return self.timeout_after.timestamp() - lead

    async def _wait(self) -> list[Outcome]:
        check_rendered(self)
        job_ids = self._job_ids
        if not job_ids:
            return []
        grace, interval = self.seconds("grace"), self.seconds("reconcile_interval")
        consumers = queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name)
        async with self._link_written(job_ids[0]), consumers as consumer:
            if self.end is not None and self.task_instance is not None:
                _preparations.get(None, lambda: asyncio.ensure_future(self._prepare_end()), lambda _: True)
            with traced(WAIT, link=self.traceparent, job_ids=job_ids, queue=self.queue_name) as span:
                async with self._shown(consumer, job_ids):
                    outcomes = await consumer.wait_for(
                        job_ids,
                        timeout=self.seconds("timeout"),
                        deadline=self._deadline,
                        start_timeout=self.seconds("start_timeout"),
                        start_deadline=self.moment("start_deadline"),
                        grace=DEFAULT_GRACE if grace is None else grace,
                        reconcile_interval=RECONCILE_INTERVAL if interval is None else interval,
                        listener=self._progress_logger(),
                    )
                span.ended(outcomes)
        return [outcome.with_times(JobTimes(instances=count_of(self.instances))) for outcome in outcomes]

    def _link_written(self, job_id: str) -> AbstractAsyncContextManager[None]:
        if not self.begins_here and self.deadline_lead is None:
            return nullcontext()
        return link_written(self, self.tencentcloud_conn_id, self.region, job_id)

    def _shown(self, consumer: Consumer, job_ids: Sequence[str]) -> AbstractAsyncContextManager[None]:
        if self.live is not True:
            return nullcontext()
        from airflow_batch_events.dispatch.loops.output_loop import shown
        from airflow_batch_events.protocol.apis.live_output import LiveOutput

        self._output = LiveOutput(job_ids, partial(self.log.info, "%s"))
        fail = partial(self.log.error, "Cannot show the output of jobs, will try again: %r")
        return shown(self._output, consumer.output_calls, fail)

    async def _prepare_end(self) -> None:
        """Begin early what the first end in a process would wait for, but not so early that the first polls do."""
        await asyncio.sleep(PREPARE_AFTER)
        await imported(*_TO_END)
        await prepare_supervisor(self)

    def _event(self, outcomes: Sequence[Outcome]) -> TriggerEvent:
        values = [outcome.to_dict() for outcome in outcomes]
        payload = {"job_id": self._given_ids, "status": "ended", "outcomes": values}
        try:
            # The worker that ends the task shows what is left of it.
            return fire(payload if self._output is None else {**payload, "output": self._output.told})
        except NotStorableError as error:
            # How a job has ended must reach its task, whatever somebody has written into its event.
            self.log.warning("The custom parameters of the events are left out of the outcome: %s", error)
            bare = [{**value, "event_vars": {}, "reason": (value["reason"] or "")[:100] or None} for value in values]
            return fire({**payload, "outcomes": bare})

    def _error_event(self, error: Exception) -> TriggerEvent:
        payload = self.error_payload(error)
        try:
            return fire({"job_id": self._given_ids, **payload})
        except NotStorableError:
            # So many jobs, or such ids, that not even they can be told.
            return fire(payload)

    def _progress_logger(self) -> Any:
        def log_event(event: BatchEvent) -> None:
            parts = [event.task_name, event.task_instance_index]
            what = "/".join(str(part) for part in parts if part is not None)
            text = f"{event.name} of job {event.job_id}" + (f", task {what}" if what else "")
            self.log.info("%s", printable(text, MAX_TEXT))

        return in_own_log(log_event)
