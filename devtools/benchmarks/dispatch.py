# SPDX-License-Identifier: Apache-2.0
"""
How fast and at what cost many waits end when all their events are published at once.

The time begins when the emulator says that all jobs have ended. Only then does it begin to publish, one event after the
other, so what that takes is part of the time, and what it takes to end jobs is not. The note also says how long it was
from the order to end them, and how much processor time the emulator and the waits took.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devtools.benchmarks.cloud import running_cloud, waiting_calls
from devtools.benchmarks.figures import Figure, median
from devtools.benchmarks.waiters import waiting

PART = "dispatch"
RUNS = 3
"""Runs of up to 1,000 waits, of which the middle one counts: a tenth of a second is easily doubled by other work."""

POLLED_JOBS = 100
"""Waits that poll: more of them would only measure the emulator."""

POLLED_SECONDS = 25.0
"""Seconds for which those jobs run."""

TO_BEGIN = 20.0
"""Seconds for a process that waits to be started, and for each of its waits to be made, beside the time to settle."""


@dataclass(frozen=True)
class _Result:
    seconds: float
    since_order: float
    cpu: float
    memory: float
    first_memory: float
    calls: int
    cloud_cpu: float


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    sizes = (100, 1_000) if quick else (100, 1_000, 10_000)
    floor = _local_memory(1_000 if quick else 10_000)
    results = {}
    for number in sizes:
        is_small = number <= 1_000
        ours = results[number] = _middle([_ours(number) for _ in range(RUNS if is_small else 1)])
        name = f"{number:,} waits"
        beside = None
        if is_small:
            seconds, cpu = sorted(_shared_stream(number) for _ in range(RUNS))[RUNS // 2]
            beside = seconds, "shared stream, messages in memory"
        goal = {10_000: 3.0}.get(number)
        yield Figure(
            PART,
            f"{name}: last wait ended",
            ours.seconds,
            "s",
            beside,
            goal,
            note=f"{ours.since_order:.3f} s from the order to end the jobs; the emulator used {ours.cloud_cpu:.2f} s "
            f"of processor time, the waits {ours.cpu:.2f} s",
        )
        yield Figure(PART, f"{name}: events", number / ours.seconds, "a second", at_least=True, goal=_rate_goal(number))
        yield Figure(
            PART,
            f"{name}: processor time an event",
            ours.cpu / number * 1e6,
            "µs",
            (cpu / number * 1e6, "shared stream") if beside else None,
        )
        if number == 1_000:
            times = seconds / ours.seconds
            yield Figure(PART, f"{name}: faster than the shared stream", times, "times", goal=20, at_least=True)
        yield Figure(
            PART,
            f"{name}: calls a job",
            ours.calls / number,
            "calls",
            goal=0.2 if number == 1_000 else None,
            note="receive, delete and describe, first polls included, as the emulator counted them",
        )
        if number == max(sizes):
            note = f"without the first one, whose clients and modules take {ours.first_memory / 2**20:.1f} MiB"
            beside = floor / 1024, "trigger on a local event"
            yield Figure(PART, f"{name}: memory a wait", ours.memory / 1024, "KiB", beside, note=note)
            yield Figure(PART, f"{name}: memory beyond Airflow's", (ours.memory - floor) / 1024, "KiB", goal=4)
    if 10_000 in results:
        times = results[10_000].seconds / results[1_000].seconds
        yield Figure(PART, "10,000 waits by 1,000 waits", times, "times", goal=12)
    calls, late = _polling()
    yield Figure(
        PART,
        f"polling every 10 s, {POLLED_JOBS} jobs of {POLLED_SECONDS:.0f} s: calls a job",
        calls / POLLED_JOBS,
        "calls",
        note="grows with a job's duration: 360 calls for an hour; 1,000 waits make 100 calls a second",
    )
    yield Figure(PART, f"polling every 10 s, {POLLED_JOBS} jobs: end noticed after (median)", late, "s")


def _middle(runs: Sequence[_Result]) -> _Result:
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


def _ours(number: int) -> _Result:
    with running_cloud() as cloud:
        job_ids, ends = cloud.submit(number)
        cloud.forget_calls()
        # A clock that is minutes off is learned in a quarter of a minute, then all jobs are polled again, 100 at a
        # time and ten times a second at the most.
        settle = 20.0 + number / 300
        cloud.approach(ends, settle + TO_BEGIN)
        with waiting("trigger", cloud.address, job_ids, settle=settle) as waiters:
            cloud.await_last_move(ends)
            cloud_cpu = cloud.cpu_seconds()
            ordered = time.monotonic()
            cloud.advance_to(ends)
            began = time.monotonic()
            report = waiters.ends()
            last = max(report["ended"].values())
            cloud_cpu = cloud.cpu_seconds() - cloud_cpu
            # What was handed out last is deleted within a fraction of a second.
            time.sleep(1)
            return _Result(
                seconds=last - began,
                since_order=last - ordered,
                cpu=report["cpu"],
                memory=waiters.memory_per_wait,
                first_memory=waiters.memory_of_first,
                calls=waiting_calls(cloud.calls()),
                cloud_cpu=cloud_cpu,
            )


def _shared_stream(number: int) -> tuple[float, float]:
    with running_cloud() as cloud:
        job_ids = [f"job-{index:08d}" for index in range(number)]
        with waiting("shared stream", cloud.address, job_ids, settle=2.0) as waiters:
            waiters.go()
            report = waiters.ends()
            return max(report["ended"].values()) - report["began"], report["cpu"]


def _local_memory(number: int) -> float:
    with running_cloud() as cloud:
        job_ids = [f"job-{index:08d}" for index in range(number)]
        with waiting("local event", cloud.address, job_ids, settle=2.0) as waiters:
            waiters.go()
            waiters.ends()
            return waiters.memory_per_wait


def _polling() -> tuple[int, float]:
    with running_cloud() as cloud:
        job_ids, ends = cloud.submit(POLLED_JOBS)
        cloud.forget_calls()
        with waiting("polling", cloud.address, job_ids, settle=0.1) as waiters:
            time.sleep(POLLED_SECONDS)
            began = time.monotonic()
            cloud.advance_to(ends)
            ended = waiters.ends()["ended"].values()
            return waiting_calls(cloud.calls()), median([end - began for end in ended])


def _rate_goal(number: int) -> float | None:
    return 3_000 if number == 10_000 else None
