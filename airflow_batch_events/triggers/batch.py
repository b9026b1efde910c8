# SPDX-License-Identifier: Apache-2.0
"""
Wait for jobs in the triggerer.

Everything that is worth testing lives below this file, in ``dispatch`` and ``events``. Two rules of Airflow 3.3 shape
it: ``yield`` is the last statement of ``run``, because what a trigger does afterwards is cancelled; and nothing is
opened in ``__init__``, because the triggerer makes the object on its event loop.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import DEFAULT_GRACE, RECONCILE_INTERVAL, Outcome
from airflow_batch_events.events.text import MAX_TEXT, printable
from airflow_batch_events.events.values import NOTHING, job_ids_of
from airflow_batch_events.exceptions import BatchEventsError, ParameterError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.triggers.ending import TaskEnd, end_task, write_link
from airflow_batch_events.triggers.hold import hold_until
from airflow_batch_events.triggers.job_endings import end_jobs
from airflow_batch_events.triggers.stream import queue_consumer

ENDING_BOUND = 60.0
"""Seconds that ending the jobs of a killed task may take altogether."""

_endings: set[asyncio.Future[None]] = set()


async def _finish(work: Awaitable[None]) -> None:
    """
    Await work to its end, although this is cancelled meanwhile.

    Airflow 3.3 cancels a trigger anew at each of its rounds, a second apart, until it has ended; so it interrupts the
    very ``on_kill`` that the first of these calls has led to. The work must have a bound of its own.
    """
    task = asyncio.ensure_future(work)
    _endings.add(task)
    task.add_done_callback(_endings.discard)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise


def check_rendered(trigger: BatchJobTrigger) -> None:
    """
    Read what was rendered here as a worker reads it.

    :raises ParameterError: For what is no job id or list of them, and for a parameter that was given and is rendered to
        nothing.
    """
    trigger.job_id = job_ids_of("job_id", trigger.job_id)
    if trigger.task is None:
        return
    for name in ("queue_name", "tencentcloud_conn_id", "region"):
        value = getattr(trigger, name)
        is_nothing = value is None or str(value).strip() in NOTHING
        if is_nothing and (value is not None or getattr(trigger.task, name, None) is not None):
            raise ParameterError(f"{name} was given, and was rendered to nothing: leave it out, or give it a value")
    if trigger.end is not None:
        trigger.end = {**trigger.end, "is_list": not isinstance(trigger.job_id, str)}


class BatchJobTrigger(BaseTrigger):
    """
    Fire once when all the jobs have settled, with one outcome for each.

    All triggers of a triggerer that name the same queue share one reader, whatever jobs they wait for.

    :param job_id: One job id, or a list of them.
    :param queue_name: The queue that the jobs' topic forwards to; None waits by looking at the API alone.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param reconcile_interval: Seconds between looks at the API at the most, while the queue can be read.
    :param grace: Seconds for which a job that the API does not know counts as not visible yet.
    :param deadline: Unix seconds at which the wait is over; None waits without end.
    :param start_deadline: Unix seconds at which the wait is over for a job that has not begun to run.
    :param not_before: Unix seconds before which nothing is fired; at most ten seconds are waited for it.
    :param cancel_on_kill: Whether the jobs are ended when a user marks the task or clears it.
    :param end: How to end the task here, as :class:`~airflow_batch_events.triggers.ending.TaskEnd` takes it; None fires
        for a worker that ends it.
    :param deadline_lead: For a task that starts here, which has no ``deadline``: seconds by which the wait is over
        before Airflow's own time-out of the deferral.
    """

    def __init__(
        self,
        job_id: str | list[str],
        queue_name: str | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        reconcile_interval: float = RECONCILE_INTERVAL,
        grace: float = DEFAULT_GRACE,
        deadline: float | None = None,
        start_deadline: float | None = None,
        not_before: float | None = None,
        cancel_on_kill: bool = False,
        end: dict[str, bool] | None = None,
        deadline_lead: float | None = None,
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
        self.timeout_after: datetime | None = None
        self._has_fired = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "job_id": self.job_id,
                "queue_name": self.queue_name,
                "tencentcloud_conn_id": self.tencentcloud_conn_id,
                "region": self.region,
                "reconcile_interval": self.reconcile_interval,
                "grace": self.grace,
                "deadline": self.deadline,
                "start_deadline": self.start_deadline,
                "not_before": self.not_before,
                "cancel_on_kill": self.cancel_on_kill,
                "end": self.end,
                "deadline_lead": self.deadline_lead,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended", "outcomes": [...]}`` or ``{"status": "error", ...}``, or end it all."""
        try:
            outcomes = await self._wait()
        except BatchEventsError as error:
            payload: dict[str, Any] = {"status": "error", "error": type(error).__name__, "message": str(error)}
        else:
            payload = {"status": "ended", "outcomes": [outcome.to_dict() for outcome in outcomes]}
        await hold_until(self.not_before)
        event: TriggerEvent | None = None
        if self.end is not None and self.task_instance is not None:
            hook = BatchHook(self.tencentcloud_conn_id, self.region)
            event = await end_task(self, TaskEnd(**self.end), payload, hook)
        self._has_fired = True
        yield event or TriggerEvent({"job_id": self.job_id, **payload})

    async def on_kill(self) -> None:
        """End the jobs, because a user has ended the task; not when the trigger has fired or has only moved."""
        if self.cancel_on_kill and not self._has_fired:
            await _finish(asyncio.wait_for(self._end_jobs(), ENDING_BOUND))

    async def _end_jobs(self) -> None:
        if await self._is_still_wanted():
            self.log.info("The wait goes on elsewhere: %s keeps running", ", ".join(self._job_ids))
            return
        for report in await end_jobs(self.tencentcloud_conn_id, self.region, self._job_ids):
            self.log.info("The task was ended: %s", report)

    async def _is_still_wanted(self) -> bool:
        # Airflow also calls on_kill on a triggerer that was silent for too long and has lost the trigger to another
        # one; then the task still waits. The only way to ask from here is a method of the SDK's task runner.
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        task = self.task_instance
        if task is None:
            return True
        states = await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=task.dag_id,
            task_ids=[task.task_id],
            run_ids=[task.run_id],
            map_index=task.map_index,
        )
        return "deferred" in states.get(task.run_id, {}).values()

    @property
    def _job_ids(self) -> list[str]:
        return [self.job_id] if isinstance(self.job_id, str) else list(self.job_id)

    @property
    def _deadline(self) -> float | None:
        if self.deadline_lead is None or self.timeout_after is None:
            return self.deadline
        return self.timeout_after.timestamp() - self.deadline_lead

    async def _wait(self) -> list[Outcome]:
        check_rendered(self)
        if not self._job_ids:
            return []
        if self.deadline_lead is not None:
            await write_link(self, await aget_access(self.tencentcloud_conn_id, self.region), self._job_ids[0])
        async with queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name) as consumer:
            return await consumer.wait_for(
                self._job_ids,
                deadline=self._deadline,
                start_deadline=self.start_deadline,
                grace=self.grace,
                reconcile_interval=self.reconcile_interval,
                listener=self._progress_logger(),
            )

    def _progress_logger(self) -> Any:
        # The shared reader calls this outside the trigger's context, which says whose log a line goes to.
        context = contextvars.copy_context()

        def log_event(event: BatchEvent) -> None:
            parts = [event.task_name, event.task_instance_index]
            what = "/".join(str(part) for part in parts if part is not None)
            text = f"{event.name} of job {event.job_id}" + (f", task {what}" if what else "")
            context.run(self.log.info, "%s", printable(text, MAX_TEXT))

        return log_event
