# SPDX-License-Identifier: Apache-2.0
"""
The same jobs in one task and in a mapped task each, on one real Airflow, from the order to run the DAG to its end.

Each mapped task takes a fifth of a second of a worker, so the number of jobs is what the time for it allows:
``BENCH_JOBS=1000`` sets it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import SCHEDULER
from devtools.benchmarks.figures import Figure
from devtools.benchmarks.stack import running_airflow
from devtools.waits import wait_until

PART = "tasks"
MANY = 1_000
"""Jobs from which on the two are compared with a goal."""

JOBS = 60
"""Jobs in the time that the whole suite may take on two cores."""

LIMIT = 3_600.0
"""Seconds that a run may take."""


@dataclass(frozen=True)
class _Run:
    """
    One run of a DAG.

    :param seconds: From the order to run it to the end of its last task.
    :param processes: Worker processes that Airflow has started for its jobs.
    """

    seconds: float
    processes: int


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    jobs = int(os.environ.get("BENCH_JOBS", "20" if quick else str(JOBS)))
    with running_airflow() as (stack, _, _):
        # The first wait of a triggerer makes the clients that all others share.
        _run(stack, "many_in_one_task", 1)
        one, each = _run(stack, "many_in_one_task", jobs), _run(stack, "many_mapped_tasks", jobs)
    name = f"{jobs:,} jobs of 1 s in one task"
    beside = "a mapped task for each job"
    yield Figure(PART, f"{name}: from the order to the end of the run", one.seconds, "s", (each.seconds, beside))
    goal = 20 if jobs >= MANY else None
    yield Figure(
        PART, f"{name}: faster than mapped tasks", each.seconds / one.seconds, "times", goal=goal, at_least=True
    )
    yield Figure(PART, f"{name}: worker processes", one.processes, "", (each.processes, beside), goal=2)


def _run(stack: AirflowStack, dag_id: str, jobs: int) -> _Run:
    stack.api.wait_for_dag(dag_id)
    stack.api.unpause(dag_id)
    began = time.time()
    run_id = stack.api.trigger(dag_id, {"jobs": jobs})
    # Seldom asked, and for little: the tasks depend on the same process of the API server.
    state = wait_until(
        lambda: state if (state := stack.api.run_state(dag_id, run_id)) in ("success", "failed") else None,
        timeout=LIMIT,
        failure=lambda: f"the run of {dag_id} has not ended within {LIMIT:.0f} s",
        interval=0.5,
    )
    if state != "success":
        raise RuntimeError(f"the run of {dag_id} is {state}")
    tasks = stack.api.task_instances(dag_id, run_id)
    ended = max(datetime.fromisoformat(one["end_date"]).timestamp() for one in tasks)
    return _Run(ended - began, _processes(stack, dag_id, run_id))


def _processes(stack: AirflowStack, dag_id: str, run_id: str) -> int:
    """Return how many processes the executor has run for the jobs: each end of one is a line in the scheduler's log."""
    line = re.compile(
        rf"Received executor event with state \w+ for task instance TaskInstanceKey\(dag_id={dag_id!r}, "
        rf"task_id='run', run_id={re.escape(repr(run_id))},"
    )
    last = -1
    while True:
        found = len(line.findall(stack.log(SCHEDULER).read_text(errors="replace")))
        if found == last:
            return found
        # The scheduler hears of a process's end some time after its task has ended.
        last = found
        time.sleep(3)
