# SPDX-License-Identifier: Apache-2.0
"""
The demo from beginning to end: two clouds, queues, Airflow, six runs, a killed triggerer, the table.

Everything that is started is entered into one stack of contexts, so that it ends with the demo, however the demo ends.
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
from devtools.airflow_stack.topology import TRIGGERER
from devtools.demo.event_recorder import EventRecorder
from devtools.demo.expectations import (
    LOST_QUEUE,
    MANY,
    OWN_QUEUE,
    QUEUE,
    SCRIPTED_CONN_ID,
    TOPIC,
    ExpectedRun,
    expected_runs,
)
from devtools.demo.job_gate import JobGate
from devtools.demo.report import Row, RunRecord, make_row, read_ended_by
from devtools.demo.terminal import Terminal
from devtools.emulator_process import CONN_ID, EmulatorProcess, provision

_RUN_LIMIT = 600
_POLL_INTERVAL = 0.5
_LOG_TAIL = 15
_SINGLE_JOBS = 4
OWN_DAGS = Path(__file__).parent / "dags"
# By default a triggerer that was killed is missed for half a minute, which nobody wants to watch.
_SOON_MISSED = {
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
}
# A fan-out starts each task twice, before and after its wait; more than this only makes them wait for the processor.
_PARALLELISM = 6


def run_demo(terminal: Terminal, *, dags: Path, jobs: int, keep: bool) -> bool:
    """
    Run the demo.

    :param terminal: Where it is shown.
    :param dags: The folder with the example DAGs.
    :param jobs: How many jobs the fan-out runs.
    :param keep: Whether to leave everything up, afterwards, until Ctrl-C.
    :return: Whether every run ended as expected.
    """
    home = Path(tempfile.mkdtemp(prefix="airflow-batch-events-"))
    has_logs_to_read = True
    try:
        with contextlib.ExitStack() as started:
            as_expected = _run(terminal, started, home, dags=dags, jobs=jobs, keep=keep)
            terminal.step("Stopping everything")
        has_logs_to_read = not as_expected
    except (KeyboardInterrupt, SystemExit):
        has_logs_to_read = False
        raise
    finally:
        if has_logs_to_read:
            terminal.say(f"The logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    return as_expected


def _run(terminal: Terminal, started: contextlib.ExitStack, home: Path, *, dags: Path, jobs: int, keep: bool) -> bool:
    terminal.step("Starting the emulator: Tencent Cloud on this machine")
    cloud = started.enter_context(
        EmulatorProcess(home, "--max-parallel", str(jobs + _SINGLE_JOBS), "--fault", f"drop queue={LOST_QUEUE}")
    )

    (home / "scripted").mkdir()
    scripted = started.enter_context(EmulatorProcess(home / "scripted", "--runner", "scripted"))

    terminal.step(f"Creating topic {TOPIC}, queue {QUEUE} and a subscription")
    provision(cloud, TOPIC, QUEUE, OWN_QUEUE, LOST_QUEUE)
    provision(scripted, TOPIC, QUEUE, OWN_QUEUE)

    terminal.step("Starting Airflow: API server, scheduler, DAG processor, triggerer")
    airflow = started.enter_context(
        AirflowStack(
            home,
            dags={"examples": dags, "demo": OWN_DAGS},
            connections={CONN_ID: cloud.connection(), SCRIPTED_CONN_ID: scripted.connection()},
            env=_SOON_MISSED,
            parallelism=_PARALLELISM,
        )
    )
    terminal.say(f"Airflow: {airflow.address}   Cloud console: {cloud.endpoint}")

    gate = JobGate(home, cloud, jobs + _SINGLE_JOBS)
    runs = expected_runs(jobs, gate.command)
    with (
        EventRecorder(cloud.access(), OWN_QUEUE, terminal.event) as recorder,
        EventRecorder(scripted.access(), OWN_QUEUE, terminal.counted_event) as many,
    ):
        first = [run for run in runs if not run.follows]
        terminal.step(f"Starting {len(first)} runs: {', '.join(run.title for run in first)}")
        for dag_id in dict.fromkeys(run.dag_id for run in runs):
            airflow.api.unpause(dag_id)
        for run in first:
            airflow.api.trigger(run.dag_id, run.conf, run_id=run.title)
        _watch(terminal, airflow, (recorder, many), runs, gate)
        rows = _results(airflow.api, runs, {**recorder.settled_at, **many.settled_at})
    terminal.close()
    terminal.table(rows)
    _explain(terminal, airflow.api, runs, rows)
    as_expected = not any(row.problems for row in rows)
    if keep:
        _keep_up(terminal, airflow, cloud.endpoint)
    return as_expected


def _watch(
    terminal: Terminal,
    airflow: AirflowStack,
    recorders: Sequence[EventRecorder],
    runs: Sequence[ExpectedRun],
    gate: JobGate,
) -> None:
    """Show how far the runs are until all have ended or time is up; the table then says what is missing."""
    deadline = time.monotonic() + _RUN_LIMIT
    open_runs = [run for run in runs if not run.follows]
    to_follow = [run for run in runs if run.follows]
    count = len(open_runs)
    was_killed = False
    while (open_runs or to_follow) and time.monotonic() < deadline:
        airflow.check_alive()
        for recorder in recorders:
            recorder.check()
        # Two calls however many runs: the processor is busy enough with what is being shown.
        states = airflow.api.run_states()
        tasks = airflow.api.all_task_instances()
        for run in list(open_runs):
            state = states[run.dag_id, run.title]
            terminal.progress(run, state, [task for task in tasks if task["dag_run_id"] == run.title])
            if state in FINISHED_RUN:
                open_runs.remove(run)
        # A run that ends before its jobs may end has failed, and leaves a job that nobody will watch.
        if not gate.is_open and len(open_runs) < count:
            gate.open()
        if not gate.is_open and gate.all_are_watched():
            if was_killed and _is_heard(airflow.api, gate.settled_at):
                terminal.step("A new triggerer has taken over every wait: letting the jobs end, and losing one event")
                gate.open()
            elif not was_killed:
                terminal.step("Every job is watched: killing the triggerer with all its waits")
                gate.watch_again()
                airflow.kill(TRIGGERER)
                airflow.start(TRIGGERER)
                was_killed = True
        if (was_killed or gate.is_open) and to_follow:
            terminal.step(f"Starting one more run: {MANY} scripted jobs in one task")
            for run in to_follow:
                airflow.api.trigger(run.dag_id, run.conf, run_id=run.title)
            open_runs += to_follow
            to_follow = []
        time.sleep(_POLL_INTERVAL)
    for run in open_runs:
        terminal.say(f"{run.title} did not end within {_RUN_LIMIT} s")


def _is_heard(api: AirflowApi, since: datetime | None) -> bool:
    """
    Whether the triggerer has shown a sign of life since then.

    One that has just started is silent for some seconds, in which it stores no result: its supervisor starts a server
    within itself when the first wait asks something.
    """
    heartbeat = api.triggerer_heartbeat()
    return heartbeat is not None and since is not None and heartbeat > since


def _results(api: AirflowApi, runs: Sequence[ExpectedRun], arrivals: Mapping[str, datetime]) -> list[Row]:
    rows = []
    for run in runs:
        tasks = api.task_instances(run.dag_id, run.title)
        waits = [task for task in tasks if task["task_id"] == run.wait_task]
        outcomes = [
            api.xcom(run.dag_id, run.title, run.wait_task, key=run.outcome_key, map_index=task["map_index"])
            for task in waits
        ]
        ended_by = None
        if run.is_one_task:
            outcomes = outcomes[0] or []
            log = api.log(run.dag_id, run.title, run.wait_task, try_number=max(1, waits[0]["try_number"]))
            ended_by = read_ended_by(log)
        record = RunRecord(
            state=api.run_state(run.dag_id, run.title),
            tasks=tasks,
            outcomes=[outcome for outcome in outcomes if outcome is not None],
            ended_by=ended_by,
        )
        rows.append(make_row(run, record, arrivals))
    return rows


def _explain(terminal: Terminal, api: AirflowApi, runs: Sequence[ExpectedRun], rows: Sequence[Row]) -> None:
    """Show the end of the first failed task's log of each run that did not end as expected."""
    for run, row in zip(runs, rows, strict=True):
        failed = [task for task in api.task_instances(run.dag_id, run.title) if task["state"] == "failed"]
        if row.problems and failed:
            task = failed[0]
            log = api.log(
                run.dag_id, run.title, task["task_id"], try_number=task["try_number"], map_index=task["map_index"]
            )
            tail = "\n".join(log.splitlines()[-_LOG_TAIL:])
            terminal.say(f"{run.title}: end of the log of {task['task_id']}:\n{tail}")


def _keep_up(terminal: Terminal, airflow: AirflowStack, console: str) -> None:
    terminal.say(f"Airflow stays up at {airflow.address}, the cloud's console at {console}. Ctrl-C stops both.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            airflow.check_alive()
            time.sleep(_POLL_INTERVAL)
