# SPDX-License-Identifier: Apache-2.0
"""
Deferred tasks of a real Airflow on PostgreSQL: from the moment at which all events come to the last task's success.

Beside it is the same DAG with a trigger that fires from a local event: what Airflow itself takes to resume as many
tasks on workers, or to store as many results and end the tasks in the triggerer. Each task that begins or ends on a
worker takes most of the time; so the number of tasks is what the time for it allows: ``BENCH_TASKS=1000`` sets it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from airflow_batch_events.protocol.cmq import CmqClient
from devtools.airflow_stack.stack import AirflowStack
from devtools.benchmarks.cloud import TOPIC, Cloud, success_event
from devtools.benchmarks.figures import Figure
from devtools.benchmarks.stack import running_airflow
from devtools.emulator_process import CloudAddress
from devtools.waits import wait_until

PART = "airflow"
MANY = 1_000
"""Tasks from which on the two ways to end are compared with a goal."""

TASKS = 60
"""Tasks in the time that the whole suite may take on two cores."""

PICKED_UP = 40.0
"""Triggers that a triggerer begins a second, at the least."""

SETTLE = 12.0
"""Seconds for the first trigger of a triggerer to read its connection, and for the first polls."""

POLL_INTERVAL = 1.0
"""Seconds between two questions for a run. With a thousand tasks each would take the API server, on which all tasks
depend, a tenth of a second or more, if it were for more than a number."""

LIMIT = 900.0
"""Seconds that the tasks may take to defer, and again to end."""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    tasks = int(os.environ.get("BENCH_TASKS", "20" if quick else str(TASKS)))
    with running_airflow() as (stack, cloud, home):
        yield from _compare(stack, cloud, home, tasks)


def _compare(stack: AirflowStack, cloud: Cloud, home: Path, tasks: int) -> Iterator[Figure]:
    numbers = itertools.count()

    def submit() -> tuple[list[str], Path]:
        job_ids, _ = cloud.submit(tasks, "scripted: outcome=hang")
        file = home / f"jobs-{next(numbers)}"
        file.write_text("\n".join(job_ids))
        return job_ids, file

    def wait_for_gates(dag_id: str) -> Waits:
        _, file = submit()
        gate = file.with_suffix(".open")
        pause = SETTLE + tasks / PICKED_UP
        return _run(
            stack, dag_id, {"job_ids": str(file), "gate": str(gate)}, tasks, lambda: time.sleep(pause), gate.touch
        )

    def wait_for_jobs(dag_id: str) -> Waits:
        job_ids, file = submit()

        def wait_until_polled() -> None:
            # An event from the time of a wait's first poll, or from before it, would cause another poll, which here,
            # where only events say that a job has ended, would not end the wait.
            def poll() -> bool | None:
                return set(job_ids) <= set().union(*cloud.address.polls()) or None

            wait_until(poll, timeout=LIMIT, failure=lambda: f"not all jobs of {dag_id} are polled in {LIMIT:g} s")
            time.sleep(SETTLE)

        def publish() -> None:
            asyncio.run(_publish(cloud.address, job_ids))

        return _run(stack, dag_id, {"job_ids": str(file)}, tasks, wait_until_polled, publish)

    ways = {
        "resumed_on_workers": "end_from_trigger=False, resumed on workers",
        "ended_in_the_triggerer": "no switch, ended in the triggerer",
    }
    for suffix, how in ways.items():
        # An Airflow slows down as its tables fill, so the floor is measured before and after.
        before, ours, after = (
            wait_for_gates(f"gates_{suffix}"),
            wait_for_jobs(f"jobs_{suffix}"),
            wait_for_gates(f"gates_{suffix}"),
        )
        floor = (before.ended + after.ended) / 2
        name = f"{tasks:,} deferred tasks, {how}: last publish to last success"
        yield Figure(PART, name, ours.ended, "s", (floor, "trigger on a local event"))
        yield Figure(PART, f"{tasks:,} deferred tasks, {how}: against the floor", ours.ended / floor, "times", goal=1.1)
        if suffix == "resumed_on_workers":
            on_workers = ours
            continue
        name = f"{tasks:,} deferred tasks, no switch: faster than resumed on workers"
        goal = 7 if tasks >= MANY else None
        yield Figure(PART, name, on_workers.ended / ours.ended, "times", goal=goal, at_least=True)
    without = wait_for_jobs("jobs_without_workers")
    name = f"{tasks:,} mapped waits begun and ended in the triggerer"
    beside = "begun and ended on workers"
    yield Figure(PART, f"{name}: until all wait", without.deferred, "s", (on_workers.deferred, beside))
    yield Figure(PART, f"{name}: last publish to last success", without.ended, "s", (on_workers.ended, beside))
    yield Figure(PART, f"{name}: worker processes", without.processes, "", (on_workers.processes, beside), goal=0)


@dataclass(frozen=True)
class Waits:
    """
    One run of a DAG.

    :param deferred: Seconds from the start of the run until all tasks waited.
    :param ended: Seconds from the last publication to the end of the last task.
    :param processes: Waiting tasks for which Airflow has recorded a worker's process.
    """

    deferred: float
    ended: float
    processes: int


def _run(
    stack: AirflowStack,
    dag_id: str,
    conf: dict[str, object],
    tasks: int,
    wait_until_begun: Callable[[], None],
    publish: Callable[[], None],
) -> Waits:
    """Run a DAG whose tasks wait until something is published."""
    stack.api.wait_for_dag(dag_id)
    stack.api.unpause(dag_id)
    began = time.time()
    run_id = stack.api.trigger(dag_id, conf)
    _wait_for(stack, dag_id, run_id, "deferred", tasks)
    deferred = time.time() - began
    # Triggers are picked up some time after their tasks were deferred.
    wait_until_begun()
    publish()
    published = time.time()
    _wait_for(stack, dag_id, run_id, "success", tasks)
    state = stack.api.wait_for_run(dag_id, run_id, timeout=LIMIT)
    if state != "success":
        raise RuntimeError(f"the run of {dag_id} is {state}")
    waits = [one for one in stack.api.task_instances(dag_id, run_id) if one["task_id"] == "wait"]
    ended = max(datetime.fromisoformat(one["end_date"]).timestamp() for one in waits) - published
    return Waits(deferred, ended, sum(one["pid"] is not None or one["queued_when"] is not None for one in waits))


def _wait_for(stack: AirflowStack, dag_id: str, run_id: str, state: str, tasks: int) -> None:
    """Wait until so many tasks are in a state, and leave the API server to them meanwhile."""

    def count() -> int:
        return stack.api.count_tasks(dag_id, run_id, state)

    wait_until(
        lambda: count() >= tasks or None,
        timeout=LIMIT,
        failure=lambda: f"only {count()} of {tasks} tasks of {dag_id} became {state} within {LIMIT:g} s",
        interval=POLL_INTERVAL,
    )


async def _publish(address: CloudAddress, job_ids: list[str]) -> None:
    async with CmqClient(address.access()) as client:
        await client.publish_batch(TOPIC, [success_event(job_id) for job_id in job_ids])
