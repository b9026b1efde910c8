# SPDX-License-Identifier: Apache-2.0
"""
Submit and wait for many jobs in the triggerer.

Everything that is worth testing lives below this file, in ``dispatch/many`` and ``events/many``. What only ``run``
needs is not imported at the top, because the triggerer imports this module on its event loop. While it runs, the
trigger notes what becomes of the jobs in XComs of its task, from which a triggerer that begins anew goes on; they last
as long as the try does. Before it fires, it leaves its notes where a later try finds them even if the worker dies that
is about to take them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.airflow_compat.task_state import hand_over
from airflow_batch_events.airflow_compat.triggerer import (
    calls_on_kill,
    finish_although_cancelled,
    in_thread,
    is_still_deferred,
)
from airflow_batch_events.airflow_compat.xcom import pull_in_trigger, push_from_trigger
from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.events.many.items import chunks_of, unpack_descriptions
from airflow_batch_events.events.many.result import failures_in
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.many.run import JobsRun, Save
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, Outcome
from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.late_import import imported
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.protocol.time_limit import within
from airflow_batch_events.submission.many import JOBS_KEY, descriptions_key, handover_name, job_token
from airflow_batch_events.submission.trace_context import with_traceparent
from airflow_batch_events.triggers.base import StoredTrigger
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.waiting.many_jobs import pack_notes, unpack_notes
from airflow_batch_events.waiting.storable import fire
from airflow_batch_events.waiting.traces import WAIT, traced

if TYPE_CHECKING:
    from airflow_batch_events.dispatch.many.engine import JobsEngine, ManyJobsApi
    from airflow_batch_events.events.diagnosis import Diagnosis

_TO_RUN = (
    "airflow_batch_events.dispatch.many.engine",
    "airflow_batch_events.hooks.batch",
    "airflow_batch_events.waiting.job_termination",
)

ENDING_BOUND = 60.0
"""Seconds that ending the jobs of a killed task may take altogether; the rest goes on without its trigger."""

CLIENTS = 4
"""
Clients that submit by turns. What a call costs grows with the connections of its client, each of which is looked at:
with forty connections that is more than the call itself.
"""

CALL_TIMEOUT = 30.0
"""Seconds that a call may take; the client gives up to four times as long to an API that answers slowly."""

READING_BOUND = 60.0
"""Seconds that reading why a job has failed may take."""

LEAVING_BOUND = 30.0
"""Seconds that leaving the notes for a later try may take."""


class BatchJobsTrigger(StoredTrigger):
    """
    Fire once when all the jobs have ended, or enough of them have failed, or the time is over.

    :param jobs: The descriptions, packed; None where a worker has left them in an XCom of the task.
    :param total: How many there are.
    :param placement: The API's ``Placement`` object, for all of them.
    :param notes: What is noted of the jobs when the wait begins, packed, chunk by chunk; nothing for jobs
        that are new, and where a worker has left them in XComs.
    :param seed: What the client tokens are made from.
    :param wait: The number of this wait; what a triggerer notes has it in its name.
    :param rules: How many run at once, how many may fail, as :class:`RunRules` says it.
    :param queue_name: The queue that the jobs' topic forwards to; None waits by polling the API alone.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param reconcile_interval: Seconds between polls of the API at the most, while the queue can be read.
    :param timeout: Seconds from the trigger's beginning after which the wait is over; None waits without end.
    :param deadline: Unix seconds of the cloud at which it is over, for a triggerer that begins it anew.
    :param hold: Seconds from the trigger's beginning before which nothing is fired; ten at the most.
    :param cancel_on_kill: Whether the jobs are ended when a user marks the task or clears it.
    :param cancel_on_timeout: Whether they are ended when the time is over.
    :param traceparent: The trace that they are sent with, where they have one.
    """

    def __init__(
        self,
        jobs: str | None = None,
        total: int = 0,
        placement: dict[str, Any] | None = None,
        notes: list[str] | None = None,
        seed: str = "",
        wait: int = 1,
        rules: dict[str, Any] | None = None,
        queue_name: str | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        reconcile_interval: float = RECONCILE_INTERVAL,
        timeout: float | None = None,
        deadline: float | None = None,
        hold: float | None = None,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        traceparent: str | None = None,
    ) -> None:
        super().__init__()
        self.jobs = jobs
        self.total = total
        self.placement = placement
        self.notes = notes
        self.seed = seed
        self.wait = wait
        self.rules = rules
        self.queue_name = queue_name
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.reconcile_interval = reconcile_interval
        self.timeout = timeout
        self.deadline = deadline
        self.hold = hold
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.traceparent = traceparent
        self.timeout_after: datetime | None = None
        self._run: JobsRun | None = None
        self._engine: JobsEngine | None = None
        self._has_fired = False

    @calls_on_kill
    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Run the jobs, then fire ``{"status": "ended" | "error", "notes": [...], "stopped": ...}``."""
        self.note_unknown()
        handover = Handover(self.hold)
        try:
            payload = await self._finish()
        except Exception as error:  # noqa: BLE001 - it ends this wait, and its task hears why
            payload = self.error_payload(error)
        notes = None if self._run is None else pack_notes(self._run.items)
        if notes is not None:
            await self._leave(notes)
        await handover.passed()
        self._has_fired = True
        yield fire({**payload, "total": self.total, "notes": notes})

    async def on_kill(self) -> None:
        """End the jobs, because a user has ended the task; not when the trigger has fired or has only moved."""
        if self.cancel_on_kill and not self._has_fired and self._engine is not None:
            await finish_although_cancelled(within(ENDING_BOUND, self._end_jobs(self._engine)))

    async def _end_jobs(self, engine: JobsEngine) -> None:
        # A task that was cleared may wait again by now, under another seed.
        if await is_still_deferred(self) and await pull_in_trigger(self, JOBS_KEY) in (None, self.seed):
            self.log.info("The wait goes on elsewhere: the jobs keep running")
            return
        await imported(*_TO_RUN)
        async with self._clients(1) as clients:
            reports = await engine.end_all(self._api(clients))
        self.log.info("The task was ended, and with it %d jobs", len(reports))

    async def _finish(self) -> dict[str, Any]:
        await imported(*_TO_RUN)
        from airflow_batch_events.dispatch.many.engine import JobsEngine

        total = self.whole("total", least=1)
        placement = self.placement
        if not isinstance(placement, Mapping):
            raise ConfigurationError(f"placement is a {type(placement).__name__}, must be a mapping")
        interval = self.seconds("reconcile_interval")
        deadline = Deadline(self.seconds("timeout"), self.moment("deadline"))
        rules = RunRules.read(self.rules or {})
        jobs = await self._read_jobs() if self.jobs is None else self.jobs
        descriptions = await asyncio.to_thread(unpack_descriptions, jobs, total)
        self._run = run = JobsRun(unpack_notes(await self._read_notes(total), total), rules)
        async with (
            queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name) as consumer,
            self._clients(CLIENTS, clock=consumer.clock) as clients,
        ):
            self._engine = engine = JobsEngine(
                run,
                descriptions,
                partial(job_token, self.text("seed")),
                self._api(clients),
                consumer,
                self._save,
                self.log.info,
                RECONCILE_INTERVAL if interval is None else interval,
            )
            with traced(WAIT, link=self.traceparent, jobs=total, queue=self.queue_name) as span:
                await engine.finish(deadline, ends_on_timeout=bool(self.cancel_on_timeout))
                span.set(stopped=run.stopped, succeeded=total - len(failures_in(run.items)))
        return {"status": "ended", "stopped": run.stopped}

    @asynccontextmanager
    async def _clients(self, count: int, **settings: Any) -> AsyncIterator[Sequence[AsyncSdkClient]]:
        access = await aget_access(self.tencentcloud_conn_id, self.region)
        async with AsyncExitStack() as stack:
            clients = [AsyncSdkClient(access, timeout=CALL_TIMEOUT, retry=NO_RETRY, **settings) for _ in range(count)]
            yield [await stack.enter_async_context(client) for client in clients]

    def _api(self, clients: Sequence[AsyncSdkClient]) -> ManyJobsApi:
        from airflow_batch_events.dispatch.many.engine import ManyJobsApi
        from airflow_batch_events.hooks.batch import BatchHook
        from airflow_batch_events.waiting.job_termination import end_jobs

        turns = itertools.cycle(clients)

        async def submit(job: Mapping[str, Any], token: str) -> str:
            sent = with_traceparent(job, self.traceparent)
            return await next(turns).send(batch.submit_job(sent, self.placement or {}, token))

        async def delete(job_id: str) -> None:
            await next(turns).send(batch.delete_job(job_id))

        async def end(job_ids: Sequence[str]) -> Sequence[str]:
            return await end_jobs(self.tencentcloud_conn_id, self.region, job_ids)

        hooks: list[BatchHook] = []

        async def read(job_id: str, state: str) -> Diagnosis:
            # A client that blocks makes one call at a time, and one that was given up may still be at it.
            hook = hooks.pop() if hooks else BatchHook(self.tencentcloud_conn_id, self.region)
            explained = in_thread(hook.explain, Outcome(job_id, state, succeeded=False))
            diagnosis: Diagnosis = await within(READING_BOUND, explained)
            hooks.append(hook)
            return diagnosis

        return ManyJobsApi(submit, delete, end, read)

    # Notes.

    @property
    def _name(self) -> str:
        return handover_name(self.text("seed"), self.whole("wait", least=1))

    async def _read_jobs(self) -> object:
        return None if self.task_instance is None else await pull_in_trigger(self, descriptions_key(self._name))

    async def _read_notes(self, total: int) -> dict[int, object]:
        """Return the notes that the wait has begun with, and in their place those that a triggerer has made since."""
        notes: dict[int, object] = dict(enumerate(self.notes or []))
        if self.task_instance is not None:
            for chunk in range(chunks_of(total)):
                found = await pull_in_trigger(self, f"{self._name}_{chunk}")
                if found is not None:
                    notes[chunk] = found
        return notes

    async def _save(self, save: Save) -> None:
        # A task test has no place for notes, and no second process that would need them.
        if self.task_instance is not None:
            await push_from_trigger(self, f"{self._name}_{save.chunk}", save.text)

    async def _leave(self, notes: list[str]) -> None:
        if self.task_instance is None or not abilities.HAS_STATE_STORE:
            return
        try:
            await within(LEAVING_BOUND, hand_over(self._name, json.dumps(notes)))
        except Exception as error:  # noqa: BLE001 - the event carries them, too
            self.log.warning("A later try finds no notes if the worker dies that takes these: %s", error)
