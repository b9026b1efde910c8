# SPDX-License-Identifier: Apache-2.0
"""What Airflow's triggerer does with event triggers, over its own shared streams; storing is scripted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from airflow.triggers.base import BaseEventTrigger
from support.airflow_names import SharedStreamManager

from devtools.waits import LIMIT


class Triggerer:
    """
    Run triggers until the context ends; then all of them are cancelled, as when the process is told to stop.

    :param stores: Whether what fires is stored at once; otherwise when :meth:`store` is called.
    """

    def __init__(self, *, stores: bool = True) -> None:
        self.stores = stores
        self._streams = SharedStreamManager()
        self._numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._unstored: list[int] = []

    async def __aenter__(self) -> Triggerer:
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._streams.stop_all()

    def run(self, trigger: BaseEventTrigger, *, for_task: bool = False) -> list[dict[str, Any]]:
        """
        Run a trigger, made anew from what it serializes.

        :param for_task: Whether a deferred task waits for it; otherwise it is an asset watcher's.
        :return: The payloads that it has fired, which grow.
        """
        _, kwargs = trigger.serialize()
        trigger = type(trigger)(**kwargs)
        number = next(self._numbers)
        if for_task:
            trigger._task_instance = SimpleNamespace(id=number, task_id="t")
        payloads: list[dict[str, Any]] = []
        self._tasks.append(asyncio.ensure_future(self._run(number, trigger, payloads)))
        return payloads

    async def _run(self, number: int, trigger: BaseEventTrigger, payloads: list[dict[str, Any]]) -> None:
        key = trigger.shared_stream_key()
        stream = self._streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                seq = self._streams.bind_pending_event(trigger_id=number, key=key)
                payloads.append(event.payload)
                if seq is not None:
                    self._unstored.append(seq)
                if self.stores:
                    self.store()
        finally:
            await self._streams.unsubscribe(number, key)

    def store(self) -> None:
        """Store what has fired."""
        self._streams.confirm_persisted(self._unstored)
        self._unstored.clear()

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
