# SPDX-License-Identifier: Apache-2.0
"""
On real Airflow: many jobs in one task, while triggerers and workers are killed.

The short form runs with the other tests; ``CHAOS=long`` runs the long one, with 10,000 jobs, and prints what came of
it. The account takes 200 SubmitJob a second and may have 1,000 jobs. What has run is written down where it runs, so no
fault and no client can hide it.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.emulator_helpers import address_of

from airflow_batch_events.airflow_compat import abilities
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import provision
from devtools.waits import wait_while_progress
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import parse_fault
from tencent_batch_emulator.services.batch.runners import Ended, OnEnd, Work
from tencent_batch_emulator.services.batch.runners.scripted import ScriptedRun, ScriptedRunner
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

DAG = "many_jobs"
TOPIC, QUEUE, CONNECTION = "many-events", "many-waits", "many_jobs"
PER_SECOND = 200
"""SubmitJob calls a second that the account takes."""

STANDSTILL = 400.0
"""Seconds for which nothing may have happened: a triggerer takes half a minute to begin, on a busy machine a few."""

CAN_RETRY = abilities.HAS_STATE_STORE
"""Whether the task has retries although it deletes its jobs."""


@dataclass(frozen=True)
class Form:
    """
    How long the test is.

    :param jobs: Jobs.
    :param kills: How often the triggerer is killed.
    :param worker_dies: The moments at which a worker is.
    :param tries: In which try the task succeeds: each death takes one, and jobs that fail twice take others.
    """

    jobs: int
    kills: int
    worker_dies: tuple[str, ...]
    tries: int


SHORT = Form(300, 3, ("is resumed",), 3)
LONG = Form(10_000, 20, ("begins", "defers", "is resumed", "has noted", "ends"), 6)
FORM = LONG if os.environ.get("CHAOS") == "long" else SHORT
FAIL_TWICE = [3, 50, 199] if CAN_RETRY else []


class WatchedRunner(ScriptedRunner):
    """Writes down what runs, and lets jobs of some names fail twice."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.ran: defaultdict[str, list[str]] = defaultdict(list)
        """The jobs that have run, by name."""
        self.fail_twice: set[str] = set()

    def start(self, work: Work, on_end: OnEnd) -> ScriptedRun:
        ran = self.ran[work.job_name]
        ran.append(work.job_id)
        fails = work.job_name in self.fail_twice and len(ran) <= 2
        return super().start(work, (lambda _: on_end(Ended(1, "as it was told"))) if fails else on_end)


@dataclass(frozen=True)
class Cloud:
    """An account with its limits."""

    emulator: RunningEmulator
    runner: WatchedRunner

    def ran(self, name: str) -> dict[int, list[str]]:
        """Return the jobs of a name that have run, by number."""
        found = dict(self.runner.ran)
        return {int(one.rpartition("-")[2]): ids for one, ids in found.items() if one.startswith(f"{name}-")}

    def states(self, name: str) -> dict[str, str]:
        """Return the states of the jobs of that name that exist."""
        rows = self.emulator.call(lambda emulator: emulator.batch.job_rows(limit=100_000))
        return {row["JobId"]: row["JobState"] for row in rows if row["JobName"].startswith(f"{name}-")}


@pytest.fixture(scope="module")
def cloud(stack: AirflowStack) -> Iterator[Cloud]:
    clock = Clock()
    runner = WatchedRunner(clock)
    with start_emulator(clock=clock, runner=runner, delays=Delays.none()) as emulator:
        emulator.add_fault(parse_fault(f"throttle action=SubmitJob per_second={PER_SECOND}"))
        address = address_of(emulator)
        provision(address, TOPIC, QUEUE)
        connection = address.connection()
        stack.run("connections", "add", CONNECTION, "--conn-json", json.dumps(connection))
        yield Cloud(emulator, runner)


def begin(airflow: AirflowApi, folder: Path, name: str, **params: Any) -> str:
    airflow.unpause(DAG)
    where = {"folder": str(folder), "topic": TOPIC, "queue": QUEUE, "connection": CONNECTION}
    return airflow.trigger(DAG, {**where, "name": name, **params})


def wait_for(poll: Callable[[], object], progress: Callable[[], object], failure: Callable[[], str]) -> None:
    wait_while_progress(lambda: poll() or None, progress, failure=failure, standstill=STANDSTILL)


def test_no_job_is_lost_or_doubled_by_a_kill(
    airflow: AirflowApi, stack: AirflowStack, cloud: Cloud, tmp_path: Path
) -> None:
    cloud.runner.fail_twice = {f"many-{number}" for number in FAIL_TWICE}
    began = time.monotonic()
    deaths = list(FORM.worker_dies) if CAN_RETRY else []
    run_id = begin(airflow, tmp_path, "many", jobs=FORM.jobs, worker_dies=deaths)

    def count() -> int:
        return len(cloud.ran("many"))

    def failure() -> str:
        return f"{count()} of {FORM.jobs} jobs have run; {airflow.states(DAG, run_id)}"

    def has_run(jobs: int) -> bool:
        return count() >= jobs or airflow.run_state(DAG, run_id) == "failed"

    for kill in range(FORM.kills):
        enough = (kill + 1) * FORM.jobs // (FORM.kills + 2)
        wait_for(partial(has_run, enough), count, failure)
        print(f"{time.monotonic() - began:.0f} s: {count()} jobs have run; kill {kill + 1}", flush=True)
        # Notes are stored each second: at any moment of it.
        time.sleep(random.random())
        stack.kill("triggerer")
        stack.start("triggerer")
    wait_for(
        lambda: airflow.run_state(DAG, run_id) in ("success", "failed"),
        lambda: (sum(map(len, cloud.ran("many").values())), airflow.states(DAG, run_id)),
        failure,
    )
    seconds = time.monotonic() - began

    assert airflow.run_state(DAG, run_id) == "success", airflow.log(DAG, run_id, "run")
    outcomes = airflow.xcom(DAG, run_id, "run")
    ran = cloud.ran("many")
    expected = {number: 3 if number in FAIL_TWICE else 1 for number in range(FORM.jobs)}
    lost = [number for number in expected if len(ran.get(number, ())) < expected[number]]
    doubled = [number for number in expected if len(ran.get(number, ())) > expected[number]]
    wrong = [
        number for number, outcome in enumerate(outcomes) if outcome != {"job_id": ran[number][-1], "state": "SUCCEED"}
    ]
    calls = cloud.emulator.count("SubmitJob")
    print(
        f"\n{FORM.jobs} jobs in one task, triggerer killed {FORM.kills} times, worker {len(deaths)} times: "
        f"{len(wrong)} wrong, {len(lost)} lost, {len(doubled)} double; {seconds:.0f} s, {calls} SubmitJob calls"
    )
    assert (len(outcomes), wrong, lost, doubled) == (FORM.jobs, [], [], [])
    (task,) = [one for one in airflow.task_instances(DAG, run_id) if one["task_id"] == "run"]
    assert task["try_number"] == (FORM.tries if CAN_RETRY else 1)
    # Of the jobs that were deleted only the outcomes are left, and of what was handed over nothing.
    assert cloud.states("many") == {job_id: "FAILED" for number in FAIL_TWICE for job_id in ran[number][:2]}
    assert [name for name in airflow.variables() if "tencent_batch" in name] == []


def test_a_task_that_is_marked_ends_all_its_jobs(airflow: AirflowApi, cloud: Cloud, tmp_path: Path) -> None:
    run_id = begin(airflow, tmp_path, "hung", jobs=30, command="scripted: outcome=hang")

    def states() -> list[str]:
        return list(cloud.states("hung").values())

    wait_for(lambda: states() == ["RUNNING"] * 30, states, lambda: f"not submitted: {states()}")
    airflow.mark(DAG, run_id, "run", "failed")
    wait_for(lambda: states() == ["FAILED"] * 30, states, lambda: f"not ended: {states()}")
