# SPDX-License-Identifier: Apache-2.0
"""
A process that runs triggers as Airflow's triggerer does, and can be killed like one.

It knows nothing about the truth: it is told which waits to begin, runs a real ``BatchJobTrigger`` for each in one event
loop, and reports what each fired. After a kill another one is started with the waits that had not been reported, which
is what Airflow does with the triggers in its database.

Nothing of the package is imported before the clock is set wrong, so that no module keeps the right one.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

KILL_LIMIT = 30.0
"""Seconds that Airflow gives a trigger to react to the end of its task."""


_host = "host-0"


def host_name() -> str:
    """Return what this process calls the machine, as Airflow's ``hostname_callable``."""
    return _host


@dataclass(frozen=True)
class Surroundings:
    """
    What a process finds around it.

    :param connection: The Airflow connection to the cloud.
    :param skew: Seconds by which its clock is wrong.
    :param host: What it calls the machine.
    :param settings: Constants of the package to change, ``module.NAME``.
    """

    connection: Mapping[str, object]
    skew: float = 0.0
    host: str = "host-0"
    settings: Mapping[str, float] = field(default_factory=dict)


def run_triggerer(pipe: Connection, log: str, around: Surroundings) -> None:
    """
    Run triggers until told to stop.

    Orders are ``("wait", {wait id: trigger arguments})``, ``("block", queue name)``, ``("cancel",)`` and ``("stop",)``.
    Reports are ``("ready",)``, ``("fired", wait id, payload)`` and ``("cancelled", waits)``, the last when no task is
    left.

    :param pipe: Orders in, reports out.
    :param log: The file that takes all output.
    :param around: What this process finds around it.
    """
    global _host
    _write_to(log)
    if skew := around.skew:
        right = time.time
        time.time = lambda: right() + skew
        nanoseconds = time.time_ns
        time.time_ns = lambda: nanoseconds() + int(skew * 1e9)
    os.environ["AIRFLOW_CONN_TENCENTCLOUD_DEFAULT"] = json.dumps(around.connection)
    os.environ["AIRFLOW__CORE__HOSTNAME_CALLABLE"] = f"{__name__}.{host_name.__name__}"
    _host = around.host
    for path, value in around.settings.items():
        module, _, name = path.rpartition(".")
        setattr(import_module(module), name, value)
    asyncio.run(_Triggerer(pipe).run())


def _write_to(log: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


class _Triggerer:
    def __init__(self, pipe: Connection) -> None:
        from airflow_batch_events.triggers.batch import BatchJobTrigger

        class Trigger(BatchJobTrigger):
            """Whether the task is still deferred is asked of Airflow, which is not here: the user has ended it."""

            async def _is_still_wanted(self) -> bool:
                return False

        self._trigger_class = Trigger
        self._pipe = pipe
        self._runs: dict[str, tuple[Trigger, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        orders: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                orders.put_nowait(self._pipe.recv())
            except EOFError:
                # The process that started this one is gone.
                loop.remove_reader(self._pipe)
                orders.put_nowait(("stop",))

        loop.add_reader(self._pipe, read)
        self._pipe.send(("ready",))
        while (order := await orders.get())[0] != "stop":
            if order[0] == "wait":
                for wait_id, arguments in order[1].items():
                    trigger = self._trigger_class(**arguments)
                    self._runs[wait_id] = trigger, loop.create_task(self._fire(wait_id, trigger))
            elif order[0] == "block":
                self._blocked = loop.create_task(_block(order[1]))
            elif order[0] == "cancel":
                cancelled = await self._cancel()
                # What could not be ended in time goes on; its own bound is the scenario's.
                while self._tasks_left():  # noqa: ASYNC110 - the end of the last task is no event
                    await asyncio.sleep(0.1)
                self._pipe.send(("cancelled", cancelled))
        await self._cancel(kill=False)

    async def _fire(self, wait_id: str, trigger: Any) -> None:
        async for event in trigger.run():
            self._pipe.send(("fired", wait_id, event.payload))

    async def _cancel(self, *, kill: bool = True) -> int:
        """Cancel all open waits at once, as the triggerer does when their tasks are ended."""
        runs = [(trigger, task) for trigger, task in self._runs.values() if not task.done()]
        for _, task in runs:
            task.cancel()
        await asyncio.gather(*(task for _, task in runs), return_exceptions=True)
        if kill:
            await asyncio.wait_for(asyncio.gather(*(trigger.on_kill() for trigger, _ in runs)), KILL_LIMIT)
        return len(runs)

    def _tasks_left(self) -> int:
        return len(asyncio.all_tasks()) - 1


async def _block(queue_name: str) -> None:
    """Want every message, and take none."""
    from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
    from airflow_batch_events.triggers.queue_consumer import queue_consumer
    from airflow_batch_events.triggers.shared_stream import everything

    async with queue_consumer(DEFAULT_CONN_ID, None, queue_name) as consumer:
        with consumer.subscriber(everything):
            await asyncio.Event().wait()
