# SPDX-License-Identifier: Apache-2.0
"""
The first wait of a triggerer that has just started, beside a trigger that waits for nothing in the same process.

A real Airflow on PostgreSQL. Two tasks are deferred; then the triggerer is killed and started, several times, so that
each new process picks up both at once, the one that waits for nothing first. Bytecode is there, as after ``make``.

The clock starts when Airflow makes the first of the two triggers. The wait has begun when the emulator has answered its
first DescribeJobs. How long the loop was blocked is what a clock that is read every ten milliseconds misses; beside it
is the same for processes which have only the trigger that waits for nothing. Airflow's own watchdog complains about
blocks of more than 100 ms.

A connection in the environment is read by the process itself; one in the database is read by its supervisor, which at
its first question starts a server within itself: what that takes is measured with a trigger that only reads one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import TRIGGERER
from devtools.benchmarks.cloud import Cloud
from devtools.benchmarks.figures import Figure, median
from devtools.benchmarks.stack import running_airflow
from devtools.emulator_process import CONN_ID
from devtools.waits import wait_until

PART = "start"
STORED = "stored_in_the_database"
"""A connection that is in no environment."""

BLOCKED = re.compile(r"async thread was blocked for (?P<seconds>[\d.]+) seconds")
LIMIT = 120.0
SOON_MISSED = {
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
}
"""A triggerer that was killed is missed for half a minute otherwise."""


@dataclass(frozen=True)
class Start:
    """
    What one process did.

    :param idle: Seconds from the pick-up until the trigger ran that waits for nothing.
    :param polled: The same until the wait's first poll was answered; None without a wait.
    :param read: The same until that trigger had read a connection; None if it reads none.
    :param blocked: Seconds for which the loop was blocked at the longest.
    :param busy: How much of that was the loop's own processor time.
    :param complaints: What Airflow's watchdog told of blocks after the pick-up, in seconds.
    """

    idle: float
    polled: float | None
    read: float | None
    blocked: float
    busy: float
    complaints: tuple[float, ...]


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    times = int(os.environ.get("BENCH_STARTS", "1" if quick else "3"))
    with running_airflow(**SOON_MISSED) as (stack, cloud, home):
        stack.run("connections", "add", STORED, "--conn-json", json.dumps(cloud.address.connection()))
        yield from _Bench(stack, cloud, home, times).figures()


class _Bench:
    def __init__(self, stack: AirflowStack, cloud: Cloud, home: Path, times: int) -> None:
        self._stack = stack
        self._cloud = cloud
        self._home = home
        self._times = times
        self._number = 0

    def figures(self) -> Iterator[Figure]:
        alone = self._starts()
        ours = self._starts(conn_id=CONN_ID)
        reads = self._starts(reads=STORED)
        stored = self._starts(conn_id=STORED)
        beside = "trigger that waits for nothing"
        idle, polled = median([one.idle for one in ours]), median([one.polled or 0.0 for one in ours])
        yield Figure(PART, "first wait of a triggerer: pick-up to first poll's answer", polled, "s", (idle, beside))
        yield Figure(PART, "first wait of a triggerer: beyond that trigger", polled - idle, "s", goal=1.5)
        yield self._blocks("connection in the environment", ours, alone)
        polled, read = median([one.polled or 0.0 for one in stored]), median([one.read or 0.0 for one in reads])
        beside = "trigger that only reads the connection"
        name = "first wait of a triggerer, connection in the database: pick-up to first poll's answer"
        yield Figure(PART, name, polled, "s", (read, beside))
        yield self._blocks("connection in the database", stored, alone)

    def _blocks(self, what: str, ours: list[Start], alone: list[Start]) -> Figure:
        told = [f"{seconds - 0.1:.2f}" for one in ours for seconds in one.complaints] or ["nothing"]
        worst = max(ours, key=lambda one: one.blocked)
        return Figure(
            PART,
            f"first wait of a triggerer, {what}: loop blocked at most",
            worst.blocked * 1000,
            "ms",
            (max(one.blocked for one in alone) * 1000, "nothing else in the process"),
            goal=100,
            note=f"{worst.busy * 1000:.0f} ms of it processor time; Airflow's watchdog: {', '.join(told)}",
        )

    def _starts(self, conn_id: str | None = None, reads: str = "") -> list[Start]:
        """Start triggerers for the trigger that waits for nothing, and for a wait if there is a connection for it."""
        self._number += 1
        folder = self._home / f"reports-{self._number}"
        folder.mkdir()
        nothing = {"folder": str(folder), "conn_id": reads}
        runs = [self._defer("wait_for_nothing", nothing)]
        if conn_id is not None:
            (job_id,), _ = self._cloud.submit(1, "scripted: outcome=hang")
            wait = {"job_id": job_id, "conn_id": conn_id}
            runs.append(self._defer("wait_for_job", wait))
            while not self._is_made_first(*runs):
                self._end(runs)
                runs = [self._defer("wait_for_nothing", nothing), self._defer("wait_for_job", wait)]
        starts = [self._start(folder, has_wait=conn_id is not None) for _ in range(self._times)]
        self._end(runs)
        return starts

    def _is_made_first(self, one: tuple[str, str], other: tuple[str, str]) -> bool:
        """
        Tell whether a triggerer makes the trigger of the first run before that of the second.

        Airflow makes them in the order of a set of their ids, and 8 comes before 7 there.
        """
        first, second = (self._trigger_id(*run) for run in (one, other))
        return next(iter({first, second})) == first

    def _trigger_id(self, dag_id: str, run_id: str) -> int:
        (task,) = self._stack.api.task_instances(dag_id, run_id)
        return int(task["trigger"]["id"])

    def _end(self, runs: list[tuple[str, str]]) -> None:
        for dag_id, run_id in runs:
            self._stack.api.mark(dag_id, run_id, "wait", "failed")

    def _defer(self, dag_id: str, conf: Mapping[str, object]) -> tuple[str, str]:
        self._stack.api.wait_for_dag(dag_id)
        self._stack.api.unpause(dag_id)
        run_id = self._stack.api.trigger(dag_id, conf)
        self._stack.wait_until_deferred(dag_id, run_id, "wait")
        return dag_id, run_id

    def _first_poll(self, log: Path) -> float:
        return wait_until(lambda: self._cloud.first_call("DescribeJobs"), timeout=LIMIT, failure=log.read_text)

    def _start(self, folder: Path, *, has_wait: bool) -> Start:
        self._stack.kill(TRIGGERER)
        known = {*folder.glob("*.json")}
        self._cloud.forget_calls()
        log = self._stack.log(TRIGGERER)
        told = log.stat().st_size
        self._stack.start(TRIGGERER)
        report = wait_until(
            lambda: next(iter({*folder.glob("*.json")} - known), None), timeout=LIMIT, failure=log.read_text
        )
        seen: dict[str, Any] = json.loads(report.read_text())
        if has_wait and not seen["is_first"]:
            raise RuntimeError("Airflow has made the wait's trigger first; nothing tells when it was picked up")
        began = seen["picked_up"]
        return Start(
            idle=seen["ran"] - began,
            polled=self._first_poll(log) - began if has_wait else None,
            read=seen["read"] - began if "read" in seen else None,
            blocked=seen["blocked"],
            busy=seen["busy"],
            complaints=tuple(float(found["seconds"]) for found in BLOCKED.finditer(log.read_text()[told:])),
        )
