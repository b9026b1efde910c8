# SPDX-License-Identifier: Apache-2.0
"""
Deferred tasks of a real Airflow on PostgreSQL: from the moment at which all events come to the last task's success.

Beside it is the same DAG with a trigger that fires from a local event: what Airflow itself takes to resume as many
tasks on workers. Each deferred task runs twice on a worker, which takes most of the time; so the number of tasks is
what the time for it allows: ``BENCH_TASKS=1000`` sets it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.cloud import TOPIC, running_cloud, success_event
from benchmarks.figures import Figure

from airflow_batch_events.demo.cloud import CONN_ID, CloudAddress
from airflow_batch_events.demo.postgres import PostgresServer
from airflow_batch_events.demo.stack import AirflowStack
from airflow_batch_events.protocol.cmq import CmqClient

PART = "airflow"
TESTS = Path(__file__).parents[1]
DAGS = {"benchmarks": Path(__file__).parent / "dags"}
TASKS = 60
"""Tasks in the time that the whole suite may take on two cores."""

LIMIT = 900.0
"""Seconds that the tasks may take to defer, and again to end."""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    tasks = int(os.environ.get("BENCH_TASKS", "20" if quick else str(TASKS)))
    with TemporaryDirectory(prefix="bench-stack-") as folder, running_cloud() as cloud:
        home = Path(folder)
        with PostgresServer(home / "postgres.log") as postgres:
            stack = AirflowStack(
                _folder(home / "airflow"),
                dags=DAGS,
                database=postgres.create_database("bench"),
                connections={CONN_ID: cloud.address.connection()},
                env={"PYTHONPATH": str(TESTS)},
            )
            with stack:
                gate = home / "gate"
                floor = _run(stack, "bench_gate", {"file": str(gate), "tasks": tasks}, tasks, gate.touch)
                job_ids, _ = cloud.submit(tasks, "scripted: outcome=hang")
                ours = _run(
                    stack,
                    "bench_jobs",
                    {"job_ids": job_ids},
                    tasks,
                    lambda: asyncio.run(_publish(cloud.address, job_ids)),
                )
    name = f"{tasks} deferred tasks, resumed on workers: last publish to last success"
    yield Figure(PART, name, ours, "s", (floor, "trigger on a local event"))
    yield Figure(PART, f"{tasks} deferred tasks: against the floor", ours / floor, "times", goal=1.1)


def _run(stack: AirflowStack, dag_id: str, conf: dict[str, object], tasks: int, publish: Callable[[], None]) -> float:
    """Return the seconds from the publication to the end of the last task."""
    stack.api.wait_for_dag(dag_id)
    stack.api.unpause(dag_id)
    run_id = stack.api.trigger(dag_id, conf)
    stack.wait_until_deferred(dag_id, run_id, "wait", count=tasks, timeout=LIMIT)
    # Triggers are picked up some time after their tasks were deferred.
    time.sleep(5)
    publish()
    published = time.time()
    state = stack.api.wait_for_run(dag_id, run_id, timeout=LIMIT)
    if state != "success":
        raise RuntimeError(f"the run of {dag_id} is {state}")
    ends = [one["end_date"] for one in stack.api.task_instances(dag_id, run_id) if one["task_id"] == "wait"]
    return max(datetime.fromisoformat(end).timestamp() for end in ends) - published


async def _publish(address: CloudAddress, job_ids: list[str]) -> None:
    async with CmqClient(address.access()) as client:
        await client.publish_batch(TOPIC, [success_event(job_id) for job_id in job_ids])


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
