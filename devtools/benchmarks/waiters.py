# SPDX-License-Identifier: Apache-2.0
"""
Processes that wait in one of several ways, and report when each wait ended and what it took.

Every way runs the same frame: one asyncio task for each wait, one time for each end, memory and processor time of the
process. So the differences are those of the ways to wait.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import psutil

from devtools.emulator_process import CloudAddress

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["devtools.benchmarks.ways", "devtools.benchmarks.waiters"])

REPORT_LIMIT = 240.0
"""Seconds after which a process that reports nothing is given up."""


@contextmanager
def waiting(way: str, address: CloudAddress, job_ids: Sequence[str], settle: float = 3.0) -> Iterator[Waiters]:
    """
    Begin waits in a process of their own; the context begins when they wait.

    :param way: ``trigger``, ``live trigger``, ``shared stream``, ``polling`` or ``local event``.
    :param settle: Seconds that they have to begin.
    """
    ours, theirs = _FORKED.Pipe()
    process = _FORKED.Process(target=_run, args=(theirs, way, address, list(job_ids), settle), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Waiters(ours)
    finally:
        process.kill()
        process.join()
        ours.close()


class Waiters:
    """
    The waits of one process; see :func:`waiting`.

    ``memory_of_first`` is what the first wait took, in bytes, clients and modules included, and ``memory_per_wait``
    what each further one took.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        report = self._report()
        self.memory_of_first = float(report["memory_of_first"])
        self.memory_per_wait = float(report["memory_per_wait"])

    def go(self) -> None:
        """Tell ways that make their own messages to begin; the others begin with what the cloud publishes."""
        self._pipe.send("go")

    def ends(self) -> dict[str, Any]:
        """Return ``ended`` (monotonic seconds by job id), ``cpu`` and ``began`` when all waits have ended."""
        return self._report()

    def _report(self) -> dict[str, Any]:
        if not self._pipe.poll(REPORT_LIMIT):
            raise TimeoutError(f"the waits have not ended within {REPORT_LIMIT:.0f} s")
        report: dict[str, Any] = self._pipe.recv()
        return report


def _run(pipe: Connection, way: str, address: CloudAddress, job_ids: list[str], settle: float) -> None:
    os.environ["AIRFLOW_CONN_TENCENTCLOUD_DEFAULT"] = json.dumps(address.connection())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_measure(pipe, way, address, job_ids, settle))


async def _measure(pipe: Connection, way: str, address: CloudAddress, job_ids: list[str], settle: float) -> None:
    # Here and not at the top: only processes that wait need Airflow.
    from devtools.benchmarks.ways import WAYS

    ended: dict[str, float] = {}
    process = psutil.Process()
    async with WAYS[way](address, job_ids) as subject:

        async def one(job_id: str) -> None:
            await subject.wait(job_id)
            ended[job_id] = time.monotonic()

        def memory() -> int:
            gc.collect()
            return int(process.memory_info().rss)

        at_first = memory()
        tasks = [asyncio.ensure_future(one(job_ids[0]))]
        # On a busy machine it takes more than a second to import and open the clients.
        await asyncio.sleep(4.0)
        with_one = memory()
        tasks += [asyncio.ensure_future(one(job_id)) for job_id in job_ids[1:]]
        await asyncio.sleep(settle)
        per_wait = (memory() - with_one) / max(1, len(job_ids) - 1)
        pipe.send({"memory_of_first": with_one - at_first, "memory_per_wait": per_wait})
        loop = asyncio.get_running_loop()

        def go() -> None:
            pipe.recv()
            subject.go()

        loop.add_reader(pipe, go)
        cpu = time.process_time()
        await asyncio.gather(*tasks)
        loop.remove_reader(pipe)
        pipe.send({"ended": ended, "cpu": time.process_time() - cpu, "began": subject.began})
