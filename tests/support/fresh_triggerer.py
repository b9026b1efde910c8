# SPDX-License-Identifier: Apache-2.0
"""
A process in which Airflow has made no trigger yet, and what its event loop's thread does while the first one begins.

Run as ``python -m support.fresh_triggerer CLASSPATH KWARGS``, with the connection in the environment. When the trigger
has fired, it prints what it has seen as JSON.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import threading
import time
from asyncio import events
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio

# What a triggerer has imported before it makes a trigger.
from airflow.jobs import triggerer_job_runner
from airflow.sdk.execution_time import task_runner


class Recorder:
    """
    Tell what the thread of the event loop does.

    ``imports`` are the modules that it has begun to import, ``others`` those of other threads, ``certificates`` says of
    each file with certificates that was read whether it was read there, and ``busy`` is the most of its processor time
    that it has spent on one step.
    """

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.others: list[str] = []
        self.certificates: list[bool] = []
        self.busy = 0.0
        self._loop_thread = threading.get_ident()

    def install(self) -> None:
        """Watch from now on."""
        run, load = events.Handle._run, ssl.SSLContext.load_verify_locations

        def timed_run(handle: events.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.busy = max(self.busy, time.thread_time() - began)

        def told_load(context: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
            self.certificates.append(self._is_loop_thread)
            load(context, *args, **kwargs)

        events.Handle._run = timed_run  # type: ignore[method-assign, assignment]
        ssl.SSLContext.load_verify_locations = told_load  # type: ignore[method-assign, assignment]
        sys.meta_path.insert(0, self)

    @property
    def _is_loop_thread(self) -> bool:
        return threading.get_ident() == self._loop_thread

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Note an import, and leave it to the others."""
        (self.imports if self._is_loop_thread else self.others).append(name)
        return None


class Supervisor:
    """One that has nothing to tell."""

    async def asend(self, message: Any) -> None:
        """Answer in a later round of the loop."""
        await asyncio.sleep(0.001)


async def main(classpath: str, kwargs: dict[str, Any]) -> None:
    """Begin one trigger, in the steps in which Airflow does."""
    task_runner.SUPERVISOR_COMMS = Supervisor()  # type: ignore[assignment]
    runner = triggerer_job_runner.TriggerRunner()
    await anyio.sleep(0.01)
    recorder = Recorder()
    recorder.install()
    await asyncio.sleep(0)
    trigger_class = runner.get_trigger_by_classpath(classpath)
    await asyncio.sleep(0)
    trigger: Any = trigger_class(**kwargs)
    trigger.task_instance = SimpleNamespace(id="1", dag_id="d", task_id="t", run_id="r", map_index=-1)
    event = await anext(trigger.run())
    seen = {"event": type(event).__name__, "imports": recorder.imports, "others": recorder.others}
    print(json.dumps({**seen, "certificates": recorder.certificates, "busy": recorder.busy}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
