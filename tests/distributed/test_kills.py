# SPDX-License-Identifier: Apache-2.0
"""On Celery with two of each component: a scheduler, a worker and a triggerer are killed, and nothing is lost."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.tdmq import describe_queue
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import SCHEDULER, TRIGGERER
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until, wait_while_progress

TOPIC, WATCHED = "distributed-events", "distributed-watch"
WAITS = tuple(f"distributed-{name}" for name in (TRIGGERER, f"{TRIGGERER}-2"))
MAPPED, PLURAL = (20, 50) if os.environ.get("FORM") == "short" else (200, 1000)
BLOCKING = 2
STANDSTILL = 480
"""Seconds without any progress after which something is broken."""

AFTER = 5
"""How many further tasks and jobs must end before a scheduler counts as taken over."""


class Work:
    """
    The runs that go on while components are killed, and how far they are.

    :param airflow: Airflow.
    :param folder: Where jobs write down that they have run.
    """

    def __init__(self, airflow: AirflowApi, folder: Path) -> None:
        self.airflow, self.folder = airflow, folder
        self.runs: dict[str, str] = {}

    def begin(self, **jobs: int) -> None:
        """Start a run of each DAG, of so many jobs."""
        self.airflow.unpause("watching")
        for dag_id, count in jobs.items():
            self.airflow.unpause(dag_id)
            self.runs[dag_id] = self.airflow.trigger(dag_id, {"folder": str(self.folder), "jobs": count})

    def tasks(self, dag_id: str, task_id: str) -> list[dict[str, Any]]:
        """Return the instances of a task."""
        return [one for one in self.airflow.task_instances(dag_id, self.runs[dag_id]) if one["task_id"] == task_id]

    def ran(self, name: str) -> Counter[int]:
        """Return how often each job of a DAG has run."""
        file = self.folder / name
        return Counter(map(int, file.read_text().split())) if file.exists() else Counter()

    def tried_again(self) -> int:
        """Count the tasks that took more than one try."""
        return sum(task["try_number"] > 1 for task in self.airflow.all_task_instances())

    def done(self) -> int:
        """Count what has ended: mapped tasks, and jobs of the task of many."""
        return self.airflow.count_tasks("mapped", self.runs["mapped"], "success") + self.ran("plural").total()

    def wait_until_begun(self) -> None:
        """Wait until jobs of each DAG run, and all those that workers wait for."""

        def poll() -> bool | None:
            ran = {dag_id: len(self.ran(dag_id)) for dag_id in self.runs}
            return (all(ran.values()) and ran["blocking"] == BLOCKING) or None

        wait_while_progress(
            poll, self.done, standstill=STANDSTILL, failure=lambda: f"only {self.done()} have ended", interval=1
        )

    def all_succeeded(self) -> bool | None:
        """Whether all runs have, those that events have started included."""
        return set(self.airflow.run_states().values()) == {"success"} or None

    def wait(self, dag_id: str) -> str:
        """Wait until a run has ended, and return its state."""
        run_id = self.runs[dag_id]
        ended = ("success", "failed")

        def poll() -> str | None:
            state = self.airflow.run_state(dag_id, run_id)
            return state if state in ended else None

        def failure() -> str:
            return f"{dag_id} stands still: {Counter(self.airflow.states(dag_id, run_id).values())}"

        return wait_while_progress(poll, self.done, standstill=STANDSTILL, failure=failure, interval=1)


def kill(stack: AirflowStack, work: Work, name: str, taken_over: Callable[[], bool | None]) -> None:
    """Kill a component; when its twin has taken over, start it again as a supervisor would, under the same name."""
    before = work.done()
    stack.kill(name)
    began = time.monotonic()
    wait_while_progress(
        taken_over, work.done, standstill=STANDSTILL, failure=lambda: f"nobody has taken over from {name}", interval=2
    )
    took = time.monotonic() - began
    stack.start(name)
    print(f"killed with {before} done, taken over after {took:.0f} s: {name}", flush=True)


def kill_scheduler(stack: AirflowStack, work: Work) -> None:
    """Kill the first scheduler, until the other one has let more end."""
    target = work.done() + AFTER
    kill(stack, work, SCHEDULER, lambda: work.done() >= target or None)


def kill_triggerer(stack: AirflowStack, work: Work) -> None:
    """Kill the triggerer of the many jobs, until the other one has them."""

    def triggerer() -> str | None:
        (task,) = work.tasks("plural", "run")
        return (task["triggerer_job"] or {}).get("hostname")

    name = wait_until(triggerer, failure=lambda: "the task of many jobs is in no triggerer")
    kill(stack, work, name, lambda: triggerer() not in (None, name) or None)


def kill_worker(stack: AirflowStack, work: Work) -> str:
    """Kill a worker that waits for a job, until the task waits on the other one; return its name."""

    def busy() -> list[str] | None:
        tasks = [task for task in work.tasks("blocking", "run") if task["state"] == "running" and task["hostname"]]
        return [task["hostname"] for task in tasks] if len(tasks) == BLOCKING else None

    def failure() -> str:
        return f"not all wait: {[(task['state'], task['hostname']) for task in work.tasks('blocking', 'run')]}"

    name = wait_while_progress(busy, work.done, standstill=STANDSTILL, failure=failure, interval=1)[0]
    kill(stack, work, name, lambda: name not in (busy() or [name]) or None)
    return name


def jobs_of(emulator: CloudAddress) -> list[Any]:
    """Return all jobs that exist."""
    found: list[Any] = []
    with SdkClient(emulator.access()) as client:
        while page := client.send(batch.describe_jobs(offset=len(found))):
            found += page
    return found


def noted(airflow: AirflowApi) -> list[str]:
    """Return the jobs whose end has started a run."""
    notes: list[str] = []
    for (dag_id, run_id), state in airflow.run_states().items():
        if (dag_id, state) == ("watching", "success"):
            notes += airflow.xcom(dag_id, run_id, "note")
    return notes


def wait_until_noted(work: Work, emulator: CloudAddress, job_ids: set[str]) -> set[str]:
    """
    Wait until the ends of jobs have started runs, and return the further jobs that this took.

    Airflow 3.3 gives the last events of a burst to a run only when one more event comes.
    """
    late: set[str] = set()
    with SdkClient(emulator.access()) as client:

        def poll() -> bool | None:
            late.add(client.send(batch.submit_job(announced_job("true", TOPIC, name="mapped-late"), PLACEMENT)))
            time.sleep(2)
            return job_ids <= set(noted(work.airflow)) or None

        wait_while_progress(
            poll,
            lambda: len(job_ids & set(noted(work.airflow))),
            standstill=STANDSTILL,
            failure=lambda: f"{len(job_ids - set(noted(work.airflow)))} of {len(job_ids)} ends have started no run",
        )

        def left() -> int:
            queue = client.send(describe_queue(WATCHED))
            return (queue.active_msg_num or 0) + (queue.inactive_msg_num or 0)

        wait_until(lambda: left() == 0 or None, failure=lambda: f"{left()} events are left", interval=1)
    return late


@pytest.fixture
def work(stack: AirflowStack, emulator: CloudAddress, tmp_path: Path) -> Work:
    provision(emulator, TOPIC, *WAITS, WATCHED)
    stack.check_alive()
    return Work(stack.api, tmp_path)


def test_no_kill_loses_or_doubles_a_job(stack: AirflowStack, emulator: CloudAddress, work: Work) -> None:
    began = time.monotonic()
    work.begin(blocking=BLOCKING, mapped=MAPPED, plural=PLURAL)
    work.wait_until_begun()
    kill_scheduler(stack, work)
    kill_triggerer(stack, work)
    kill_worker(stack, work)
    (work.folder / "gate").touch()
    assert {dag_id: work.wait(dag_id) for dag_id in work.runs} == dict.fromkeys(work.runs, "success")
    print(f"all runs have ended after {time.monotonic() - began:.0f} s", flush=True)

    outcomes = work.airflow.xcom("mapped", work.runs["mapped"], "gather")
    states = ["FAILED" if number % 3 == 2 else "SUCCEED" for number in range(MAPPED)]
    assert [outcome["state"] for outcome in outcomes] == states
    results = work.airflow.xcom("plural", work.runs["plural"], "run")
    assert [outcome["state"] for outcome in results] == ["SUCCEED"] * PLURAL
    for name, count in (("mapped", MAPPED), ("plural", PLURAL), ("blocking", BLOCKING)):
        assert work.ran(name) == dict.fromkeys(range(count), 1)

    late = wait_until_noted(work, emulator, {outcome["job_id"] for outcome in outcomes})
    left = [job for job in jobs_of(emulator) if job.job_id not in late]
    expected = {f"mapped-{number}": state for number, state in enumerate(states)}
    expected |= {f"blocking-{number}": "SUCCEED" for number in range(BLOCKING)}
    assert Counter((job.name, job.state) for job in left) == Counter(expected.items())
    wait_until(work.all_succeeded, failure=lambda: f"left: {work.airflow.run_states()}", interval=1)
    assert {task["state"] for task in work.airflow.all_task_instances()} == {"success"}
    print(f"{work.tried_again()} tasks were tried again; all of it took {time.monotonic() - began:.0f} s", flush=True)
