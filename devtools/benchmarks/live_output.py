# SPDX-License-Identifier: Apache-2.0
"""
What it costs to show the output of jobs while their tasks wait: calls, and whether the waits end any later.

A hundred jobs of ten instances run for a minute and end at one moment, once with waits alone, and once with waits that
show output.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from devtools.benchmarks.cloud import running_cloud, waiting_calls
from devtools.benchmarks.dispatch import TO_BEGIN
from devtools.benchmarks.figures import Figure, median
from devtools.benchmarks.waiters import waiting

PART = "live"
JOBS = 100
INSTANCES = 10
SECONDS = 60.0
RUNS = 3
_OUTPUT = ("DescribeJob", "DescribeTaskLogs")


@dataclass(frozen=True)
class _Result:
    calls: int
    output_calls: int
    last: float
    middle: float
    cpu: float


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    runs = 1 if quick else RUNS
    alone = _middle([_run("trigger") for _ in range(runs)])
    live = _middle([_run("live trigger") for _ in range(runs)])
    name = f"{JOBS} jobs of {INSTANCES} instances"
    minutes = SECONDS / 60
    note = f"DescribeJob once for each job, DescribeTaskLogs once for its instances at each read; in {SECONDS:g} s"
    yield Figure(PART, f"{name}: calls for output", live.output_calls / minutes, "a minute", goal=300, note=note)
    yield Figure(
        PART,
        f"{name}: calls for the waits",
        live.calls / minutes,
        "a minute",
        (alone.calls / minutes, "without output"),
    )
    beside = alone.last, "without output"
    yield Figure(PART, f"{name}: last wait ended", live.last, "s", beside, note=f"the middle one of {runs} runs")
    yield Figure(PART, f"{name}: half of the waits ended", live.middle, "s", (alone.middle, "without output"))
    yield Figure(
        PART, f"{name}: processor time", live.cpu / minutes, "s a minute", (alone.cpu / minutes, "without output")
    )


def _middle(runs: list[_Result]) -> _Result:
    return sorted(runs, key=lambda run: run.last)[len(runs) // 2]


def _run(way: str) -> _Result:
    with running_cloud() as cloud:
        job_ids, ends = cloud.submit(JOBS, instances=INSTANCES, stdout="epoch 1\nepoch 2\n")
        # On a busy machine the calls that look at the count take seconds, too.
        settle = 60.0 + SECONDS
        cloud.approach(ends, settle + TO_BEGIN)
        with waiting(way, cloud.address, job_ids, settle=20.0) as waiters:
            cloud.forget_calls()
            time.sleep(SECONDS)
            calls = cloud.calls()
            cloud.await_last_move(ends)
            cloud.advance_to(ends)
            began = time.monotonic()
            report = waiters.ends()
        ended = [end - began for end in report["ended"].values()]
        return _Result(
            calls=waiting_calls(calls, ("BatchReceiveMessage", "BatchDeleteMessage", "DescribeJobs")),
            output_calls=waiting_calls(calls, _OUTPUT),
            last=max(ended),
            middle=median(ended),
            cpu=report["cpu"] * 60 / (time.monotonic() - began + SECONDS),
        )
