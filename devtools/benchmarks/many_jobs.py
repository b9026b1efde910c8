# SPDX-License-Identifier: Apache-2.0
"""
Many jobs in one task: how fast they are submitted and have ended, and at what cost, with an account's limits and
without.

The trigger runs in its own process, beside the emulator's; Airflow, which stores notes of it each second and some
seconds at both ends, is left out.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil
from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.events.many.items import pack_descriptions
from devtools.benchmarks.cloud import QUEUE, TOPIC, running_cloud
from devtools.benchmarks.figures import Figure
from devtools.benchmarks.loop_watch import Block, LoopWatch
from devtools.emulator_process import CloudAddress

PART = "many"
PER_SECOND = 200
"""SubmitJob calls a second of the limited account."""

QUOTA = 1_000
"""Jobs that it may have."""

DURATION = 1.0
"""Seconds that each job runs."""

LIMIT = 600.0
"""Seconds after which a run that reports nothing is given up."""

_WAITING = ("SubmitJob", "DescribeJobs", "BatchReceiveMessage", "BatchDeleteMessage")
_SPAWNED = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class _Result:
    seconds: float
    submitted: float
    cpu: float
    memory: float
    floor: float
    longest: Block
    ours: Block
    collections: list[int]
    calls: dict[str, int]

    def calls_a_job(self, number: int) -> float:
        return sum(self.calls.get(action, 0) for action in _WAITING) / number


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    number = 2_000 if quick else 10_000
    name = f"{number:,} jobs in one task"
    limited = _measure(number, is_limited=True)
    least = number / PER_SECOND
    yield Figure(
        PART,
        f"{name}, {PER_SECOND} SubmitJob a second and {QUOTA:,} existing: all ended",
        limited.seconds,
        "s",
        (least, "the limit"),
        goal=1.15 * least,
        note=f"{limited.cpu:.1f} s of processor time; jobs of {DURATION:g} s, succeeded ones deleted",
    )
    deletes = limited.calls.get("DeleteJob", 0) / number
    yield Figure(
        PART,
        f"{name}, limited: API calls a job",
        limited.calls_a_job(number),
        "calls",
        goal=1.25,
        note=f"submit, describe, receive and delete messages; {deletes:.2f} DeleteJob beside them",
    )
    free = _measure(number, is_limited=False)
    yield Figure(
        PART,
        f"{name}, no limits: submitted",
        number / free.submitted,
        "a second",
        goal=500,
        at_least=True,
        note=f"{free.cpu:.1f} s of processor time beside the emulator on the same machine",
    )
    yield Figure(PART, f"{name}, no limits: last submitted to all ended", free.seconds - free.submitted, "s")
    yield Figure(PART, f"{name}, no limits: API calls a job", free.calls_a_job(number), "calls", goal=1.25)
    yield Figure(PART, f"{name}: memory a job", free.memory / number / 1024, "KiB", goal=4)
    longest = max(free.longest, limited.longest, key=lambda block: block.seconds)
    floor = 1_000 * max(free.floor, limited.floor)
    yield Figure(
        PART,
        f"{name}: loop blocked at most",
        1_000 * longest.seconds,
        "ms",
        (floor, "processor time of a collection of what Airflow has imported, before the first job"),
        goal=100,
        note=f"{longest}; {free.collections[2] + limited.collections[2]} collections of generation 2 in both runs",
    )
    ours = max(free.ours, limited.ours, key=lambda block: block.own)
    yield Figure(
        PART, f"{name}: loop blocked at most, collections apart", 1_000 * ours.own, "ms", goal=100, note=str(ours)
    )


def _measure(number: int, *, is_limited: bool) -> _Result:
    with running_cloud() as cloud:
        if is_limited:
            cloud.add_fault({"effect": "throttle", "action": "SubmitJob", "per_second": PER_SECOND})
        ours, theirs = _SPAWNED.Pipe()
        process = _SPAWNED.Process(target=_run, args=(theirs, cloud.address, number, is_limited), daemon=True)
        process.start()
        try:
            if not ours.poll(LIMIT):
                raise TimeoutError(f"the task has not begun within {LIMIT:.0f} s")
            ours.recv()
            cloud.forget_calls()
            ours.send("go")
            if not ours.poll(LIMIT):
                raise TimeoutError(f"the jobs have not ended within {LIMIT:.0f} s")
            report: dict[str, Any] = ours.recv()
        finally:
            process.kill()
            process.join()
        # What was handed out last is deleted within a fraction of a second.
        time.sleep(1)
        return _Result(**report, calls=cloud.calls())


def _run(pipe: Connection, address: CloudAddress, number: int, is_limited: bool) -> None:
    os.environ["AIRFLOW_CONN_TENCENTCLOUD_DEFAULT"] = json.dumps(address.connection())
    asyncio.run(_task(pipe, number, is_limited=is_limited))


async def _task(pipe: Connection, number: int, *, is_limited: bool) -> None:
    # Here and not at the top: only this process needs Airflow, and it is to have as much of it as a triggerer has.
    import airflow.jobs.triggerer_job_runner  # noqa: F401

    from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger

    command = f"scripted: duration={DURATION:g}"
    jobs = [announced_job(command, TOPIC, name=f"part-{n}", env_vars={"PART": n}) for n in range(number)]
    action = "delete_succeeded" if is_limited else "keep"
    rules = {"max_active": 900 if is_limited else number, "on_finish_action": action}

    packed = {count: pack_descriptions(jobs[:count]) for count in (1, number)}
    del jobs

    def trigger(count: int, seed: str) -> BatchJobsTrigger:
        return BatchJobsTrigger(packed[count], count, PLACEMENT, seed=seed, rules=rules, queue_name=QUEUE)

    async def fire(one: BatchJobsTrigger) -> None:
        events = one.run()
        event = await events.__anext__()
        if event.payload["status"] != "ended" or event.payload["stopped"]:
            raise RuntimeError(f"the wait ended with {str(event.payload)[:500]}")

    # Clients and modules are those of the first job.
    await fire(trigger(1, "first"))
    one = trigger(number, "many")
    gc.collect()
    floor = time.thread_time()
    gc.collect()
    floor = time.thread_time() - floor
    process = psutil.Process()
    before = peak = process.memory_info().rss
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    began, cpu, submitted = time.monotonic(), time.process_time(), 0.0
    watch = LoopWatch()
    with watch.watching():
        work = asyncio.ensure_future(fire(one))
        while not work.done():
            await asyncio.sleep(0.02)
            peak = max(peak, process.memory_info().rss)
            run = one._run
            if run is not None and not submitted and run.counts.submitted == number:
                submitted = time.monotonic() - began
        work.result()
    run = one._run
    if run is None or run.counts.succeeded != number:
        raise RuntimeError("not all jobs have succeeded")
    seconds = time.monotonic() - began
    pipe.send(
        {
            "seconds": seconds,
            "submitted": submitted or seconds,
            "cpu": time.process_time() - cpu,
            "memory": peak - before,
            "floor": floor,
            "longest": watch.longest,
            "ours": watch.longest_apart,
            "collections": watch.collections,
        }
    )
    with suppress(EOFError):
        await asyncio.to_thread(pipe.recv)
