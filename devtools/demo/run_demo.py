# SPDX-License-Identifier: Apache-2.0
"""
The demo from beginning to end: a cloud, queues, Airflow, four runs, the table.

Everything that is started is entered into one stack of contexts, so that it ends with the story, however that ends.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from devtools.airflow_stack.airflow_api import FINISHED_RUN, AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.demo.event_recorder import Listener
from devtools.demo.expectations import OWN_QUEUE, QUEUE, TOPIC, PlannedRun, plan_runs
from devtools.demo.report import Row, RunRecord, make_row
from devtools.demo.terminal import Screen
from devtools.emulator_process import CONN_ID, EmulatorProcess, provision

_RUN_LIMIT = 180
_LOOK_AGAIN = 0.5
_LOG_TAIL = 15
_BRANCHING_JOBS = 3
# A fan-out starts each task twice, before and after its wait; more than this only makes them wait for the processor.
_PARALLELISM = 6


def tell_story(screen: Screen, *, dags: Path, jobs: int, keep: bool) -> bool:
    """
    Run the demo.

    :param screen: Where it is told.
    :param dags: The folder with the example DAGs.
    :param jobs: How many jobs the fan-out runs.
    :param keep: Whether to leave everything up, afterwards, until Ctrl-C.
    :return: Whether every run came to what was planned.
    """
    home = Path(tempfile.mkdtemp(prefix="airflow-batch-events-"))
    has_logs_to_read = True
    try:
        with contextlib.ExitStack() as started:
            is_right = _play(screen, started, home, dags=dags, jobs=jobs, keep=keep)
            screen.step("Stopping everything")
        has_logs_to_read = not is_right
    except (KeyboardInterrupt, SystemExit):
        has_logs_to_read = False
        raise
    finally:
        if has_logs_to_read:
            screen.say(f"The logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    return is_right


def _play(screen: Screen, started: contextlib.ExitStack, home: Path, *, dags: Path, jobs: int, keep: bool) -> bool:
    screen.step("Starting the emulator: a small Tencent Cloud on this machine")
    cloud = started.enter_context(EmulatorProcess(home, "--max-parallel", str(jobs + _BRANCHING_JOBS)))

    screen.step(f"Creating topic {TOPIC}, queue {QUEUE} and the subscription between them")
    provision(cloud, TOPIC, QUEUE, OWN_QUEUE)

    screen.step("Starting Airflow: API server, scheduler, dag processor, triggerer")
    airflow = started.enter_context(
        AirflowStack(home, dags={"examples": dags}, connections={CONN_ID: cloud.connection()}, parallelism=_PARALLELISM)
    )
    screen.say(f"Airflow is at {airflow.address}, the cloud's console at {cloud.endpoint}")

    runs = plan_runs(jobs)
    with Listener(cloud.access(), OWN_QUEUE, screen.event) as listener:
        screen.step(f"Starting {len(runs)} runs: {', '.join(run.title for run in runs)}")
        for dag_id in dict.fromkeys(run.dag_id for run in runs):
            airflow.api.unpause(dag_id)
        for run in runs:
            airflow.api.trigger(run.dag_id, run.conf, run_id=run.title)
        _watch(screen, airflow, listener, runs)
        rows = _judge(airflow.api, runs, listener.settled_at)
    screen.close()
    screen.table(rows)
    _explain(screen, airflow.api, runs, rows)
    is_right = not any(row.problems for row in rows)
    if keep:
        _stay(screen, airflow, cloud.endpoint)
    return is_right


def _watch(screen: Screen, airflow: AirflowStack, listener: Listener, runs: Sequence[PlannedRun]) -> None:
    """Show how far the runs are until all have ended, or the time is over: the table then says what is missing."""
    deadline = time.monotonic() + _RUN_LIMIT
    open_runs = list(runs)
    while open_runs and time.monotonic() < deadline:
        airflow.check_alive()
        listener.check()
        # Two calls however many runs: the processor is busy enough with what is being shown.
        states = airflow.api.run_states()
        tasks = airflow.api.all_task_instances()
        for run in list(open_runs):
            state = states[run.dag_id, run.title]
            screen.progress(run, state, [task for task in tasks if task["dag_run_id"] == run.title])
            if state in FINISHED_RUN:
                open_runs.remove(run)
        time.sleep(_LOOK_AGAIN)
    for run in open_runs:
        screen.say(f"{run.title} has not ended within {_RUN_LIMIT} s")


def _judge(api: AirflowApi, runs: Sequence[PlannedRun], arrivals: Mapping[str, datetime]) -> list[Row]:
    rows = []
    for run in runs:
        tasks = api.task_instances(run.dag_id, run.title)
        outcomes = [
            api.xcom(run.dag_id, run.title, run.wait_task, key=run.outcome_key, map_index=task["map_index"])
            for task in tasks
            if task["task_id"] == run.wait_task
        ]
        record = RunRecord(
            state=api.run_state(run.dag_id, run.title),
            tasks=tasks,
            outcomes=[outcome for outcome in outcomes if outcome is not None],
        )
        rows.append(make_row(run, record, arrivals))
    return rows


def _explain(screen: Screen, api: AirflowApi, runs: Sequence[PlannedRun], rows: Sequence[Row]) -> None:
    """Show the end of the first failed task's log of each run that went wrong."""
    for run, row in zip(runs, rows, strict=True):
        failed = [task for task in api.task_instances(run.dag_id, run.title) if task["state"] == "failed"]
        if row.problems and failed:
            task = failed[0]
            log = api.log(
                run.dag_id, run.title, task["task_id"], try_number=task["try_number"], map_index=task["map_index"]
            )
            tail = "\n".join(log.splitlines()[-_LOG_TAIL:])
            screen.say(f"{run.title}, the end of the log of {task['task_id']}:\n{tail}")


def _stay(screen: Screen, airflow: AirflowStack, console: str) -> None:
    screen.say(f"Airflow stays up at {airflow.address}, the cloud's console at {console}. Ctrl-C ends both.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            airflow.check_alive()
            time.sleep(_LOOK_AGAIN)
