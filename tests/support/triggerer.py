# SPDX-License-Identifier: Apache-2.0
"""What Airflow's triggerer does with event triggers; storing is scripted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from support.airflow_names import SharedStreamManager

from airflow_batch_events.airflow_compat import shared_stream as compat
from airflow_batch_events.airflow_compat.abilities import HAS_SHARED_STREAMS
from airflow_batch_events.triggers import late_settler, shared_stream, without_stream
from devtools.waits import LIMIT


def set_join_grace(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Say how long further watchers may join those of a queue."""
    for module in (shared_stream, without_stream):
        monkeypatch.setattr(module, "JOIN_GRACE", seconds)


def settle_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take events for gone as soon as they have fired; :class:`Triggerer` has no rounds."""
    monkeypatch.setattr(late_settler, "LEAVES_WITHIN", 0.0)
    monkeypatch.setattr(compat, "BETWEEN_ANSWERS", 0.02)


class Triggerer:
    """
    Run triggers until the context ends; then all of them are cancelled, as when the process is told to stop.

    They run over Airflow's own shared streams where it has them, and by themselves where it has none.

    :param stores: Whether what fires is stored at once; otherwise when :meth:`store` is called.
    :param has_streams: Whether the triggers share streams.
    """

    def __init__(self, *, stores: bool = True, has_streams: bool = HAS_SHARED_STREAMS) -> None:
        self.stores = stores
        self._numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._way = _Streams() if has_streams else _Supervisor()

    async def __aenter__(self) -> Triggerer:
        await self._way.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._way.stop()

    def run(self, trigger: BaseEventTrigger, *, for_task: bool = False) -> list[dict[str, Any]]:
        """
        Run a trigger, made anew from what it serializes.

        :param for_task: Whether a deferred task waits for it; otherwise it is an asset watcher's.
        :return: The payloads that it has fired, which grow.
        """
        _, kwargs = trigger.serialize()
        trigger = type(trigger)(**kwargs)
        trigger.trigger_id = number = next(self._numbers)
        if for_task:
            self._way.bind(trigger, SimpleNamespace(id=number, dag_id="d", task_id="t", run_id="r", map_index=-1))
        payloads: list[dict[str, Any]] = []
        self._tasks.append(asyncio.ensure_future(self._run(number, trigger, payloads)))
        return payloads

    async def _run(self, number: int, trigger: BaseEventTrigger, payloads: list[dict[str, Any]]) -> None:
        async for event in self._way.events(number, trigger):
            payloads.append(event.payload)
            self._way.on_fired(number, trigger)
            if self.stores:
                self.store()

    def store(self) -> None:
        """Store what has fired."""
        self._way.store()

    async def end(self, position: int = 0) -> None:
        """Cancel a trigger whose task has gone on, and wait until it has let go."""
        self._tasks[position].cancel()
        await asyncio.gather(self._tasks[position], return_exceptions=True)

    async def until(self, holds: Callable[[], bool], *, timeout: float = LIMIT) -> None:
        """
        Wait until something that triggers bring about holds.

        :raises TimeoutError: It does not, in time; or an error that has ended a trigger.
        """

        async def wait() -> None:
            while not holds():
                for task in self._tasks:
                    if task.done() and not task.cancelled():
                        task.result()
                await asyncio.sleep(0.02)

        await asyncio.wait_for(wait(), timeout)


class _Streams:
    """Airflow's own shared streams."""

    def __init__(self) -> None:
        self._streams = SharedStreamManager()
        self._unstored: list[int] = []

    async def start(self) -> None:
        """Have nothing to do."""

    async def stop(self) -> None:
        await self._streams.stop_all()

    def bind(self, trigger: BaseEventTrigger, task: Any) -> None:
        trigger._task_instance = task

    async def events(self, number: int, trigger: BaseEventTrigger) -> AsyncIterator[TriggerEvent]:
        key = trigger.shared_stream_key()
        stream = self._streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                yield event
        finally:
            await self._streams.unsubscribe(number, key)

    def on_fired(self, number: int, trigger: BaseEventTrigger) -> None:
        seq = self._streams.bind_pending_event(trigger_id=number, key=trigger.shared_stream_key())
        if seq is not None:
            self._unstored.append(seq)

    def store(self) -> None:
        self._streams.confirm_persisted(self._unstored)
        self._unstored.clear()


class _Supervisor:
    """The process that stores events before it answers the next question."""

    def __init__(self) -> None:
        self._is_stored = asyncio.Event()
        self._is_stored.set()
        self._before: Any = None

    async def start(self) -> None:
        self._before = getattr(task_runner, "SUPERVISOR_COMMS", None)
        task_runner.SUPERVISOR_COMMS = self  # type: ignore[assignment]

    async def stop(self) -> None:
        if self._before is None:
            del task_runner.SUPERVISOR_COMMS
        else:
            task_runner.SUPERVISOR_COMMS = self._before

    def bind(self, trigger: BaseEventTrigger, task: Any) -> None:
        trigger.task_instance = task

    async def events(self, number: int, trigger: BaseEventTrigger) -> AsyncIterator[TriggerEvent]:
        async for event in trigger.run():
            yield event

    def on_fired(self, number: int, trigger: BaseEventTrigger) -> None:
        self._is_stored.clear()

    def store(self) -> None:
        self._is_stored.set()

    async def asend(self, question: Any) -> Any:
        if isinstance(question, GetTaskStates):
            return SimpleNamespace(task_states={"r": {"t": "scheduled" if self._is_stored.is_set() else "deferred"}})
        await self._is_stored.wait()
        return None
