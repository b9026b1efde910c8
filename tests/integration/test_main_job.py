# SPDX-License-Identifier: Apache-2.0
"""The main job on real Airflow: submit with notifications, wait for the event, branch on the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from integration.conftest import wait_until_begun
from support.statsd import StatsdServer

from airflow_batch_events.exceptions import ApiNotFoundError
from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import TRIGGERER
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT, wait_until

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"
BRANCH_DAG = "batch_branch_on_result"
GATED_DAG = "gated_jobs"

RESULTS = {
    "succeeds": ({"exit": 0, "failed_action": "TERMINATE"}, "SUCCEED", "publish_result"),
    "fails": ({"exit": 3, "failed_action": "TERMINATE"}, "FAILED", "raise_alarm"),
    "interrupted": ({"exit": 3, "failed_action": "INTERRUPT"}, "FAILED_INTERRUPTED", "raise_alarm"),
}


@pytest.fixture(autouse=True)
def topic_and_queue(emulator: CloudAddress) -> Iterator[None]:
    """A topic, a queue and the subscription between them, new for each test."""
    provision(emulator, TOPIC, QUEUE)
    yield
    drop_queue(emulator)
    with SdkClient(emulator.access()) as client:
        client.send(delete_topic(TOPIC))


def drop_queue(emulator: CloudAddress) -> None:
    with SdkClient(emulator.access()) as client:
        try:
            client.send(delete_queue(QUEUE))
        except ApiNotFoundError:
            return


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "open"


@pytest.fixture
def start_branches(airflow: AirflowApi, gate: Path, emulator: CloudAddress) -> Callable[[], dict[str, str]]:
    """Start one run for each result, and return their names when all of them wait and the queue has been read."""

    def start() -> dict[str, str]:
        control(emulator, "DELETE")
        airflow.unpause(BRANCH_DAG)
        runs = {}
        for result, (job, _, _) in RESULTS.items():
            # An event from within a second of the last poll is checked by another poll, which then ends the wait.
            command = f"while [ ! -e {gate} ]; do sleep 0.2; done; sleep 5; exit {job['exit']}"
            conf = {"command": command, "failed_action": job["failed_action"]}
            runs[result] = airflow.trigger(BRANCH_DAG, conf)
        for run_id in runs.values():
            airflow.wait_for_states(BRANCH_DAG, run_id, "branch", {"deferred"}, count=1)
            wait_until_begun(airflow, BRANCH_DAG, run_id, "branch")
        wait_until(lambda: has_read(emulator) or None, failure=lambda: "the triggerer does not read")
        return runs

    return start


def control(emulator: CloudAddress, method: str) -> dict[str, Any]:
    """Read, or forget, the calls of the data plane's receive in the emulator's request log."""
    address = f"{emulator.endpoint}/_emulator/requests?action=BatchReceiveMessage"
    key = (emulator.secret_id, emulator.secret_key)
    answer = httpx.request(method, address, auth=key, trust_env=False, timeout=LIMIT)
    answer.raise_for_status()
    return dict(answer.json())


def has_read(emulator: CloudAddress) -> bool:
    return any(request["target"] == QUEUE for request in control(emulator, "GET")["requests"])


def counted(statsd: StatsdServer, name: str) -> int:
    """Return the sum of what a counter of ours was sent."""
    return sum(int(line.split(":")[1].split("|")[0]) for line in statsd.lines(f"airflow.tencent_batch.{name},"))


def check_branches(airflow: AirflowApi, runs: dict[str, str], source: str) -> None:
    for result, run_id in runs.items():
        assert airflow.wait_for_run(BRANCH_DAG, run_id) == "success"
        _, state, followed = RESULTS[result]
        states = airflow.states(BRANCH_DAG, run_id)
        assert {task: states[task] for task in ("publish_result", "raise_alarm")} == {
            "publish_result": "success" if followed == "publish_result" else "skipped",
            "raise_alarm": "success" if followed == "raise_alarm" else "skipped",
        }
        outcome = airflow.xcom(BRANCH_DAG, run_id, "branch", key="outcome")
        assert (outcome["state"], outcome["source"]) == (state, source)
        assert outcome["job_id"] == airflow.xcom(BRANCH_DAG, run_id, "submit", key="job_id")
        if source == "event":
            assert outcome["event_vars"] == {"dag": BRANCH_DAG, "run": run_id}


def deferred(airflow: AirflowApi) -> list[str]:
    """Return which tasks wait, of all runs."""
    tasks = airflow.all_task_instances()
    return [f"{task['dag_id']}/{task['run_id']}/{task['task_id']}" for task in tasks if task["state"] == "deferred"]


def test_each_result_takes_its_branch_by_event(
    airflow: AirflowApi, start_branches: Callable[[], dict[str, str]], gate: Path, statsd: StatsdServer
) -> None:
    before = counted(statsd, "events.dispatched")
    runs = start_branches()
    gate.touch()
    check_branches(airflow, runs, source="event")
    assert counted(statsd, "events.dispatched") - before >= len(runs)
    lags = statsd.lines("airflow.tencent_batch.lag.event,")
    assert any(f"queue={QUEUE}" in line and "conn_id=tencentcloud_default" in line for line in lags)
    # The gauge follows when the last wait has left its reader.
    wait_until(
        lambda: statsd.lines("airflow.tencent_batch.waits,")[-1].endswith(":0|g") or None,
        failure=lambda: (
            f"waits are left: {statsd.lines('airflow.tencent_batch.waits,')[-3:]}; deferred: {deferred(airflow)}"
        ),
    )


def test_each_result_takes_its_branch_by_poll(
    airflow: AirflowApi, emulator: CloudAddress, start_branches: Callable[[], dict[str, str]], gate: Path
) -> None:
    runs = start_branches()
    drop_queue(emulator)
    gate.touch()
    check_branches(airflow, runs, source="api")


def test_a_killed_triggerer_loses_no_wait(airflow: AirflowApi, stack: AirflowStack, gate: Path) -> None:
    airflow.unpause(GATED_DAG)
    run_id = airflow.trigger(GATED_DAG, {"gate": str(gate), "jobs": 32, "topic": TOPIC, "queue": QUEUE})
    for task_id in ("wait", "wait_there"):
        stack.wait_until_deferred(GATED_DAG, run_id, task_id, count=32)
    stack.kill(TRIGGERER)
    gate.touch()
    stack.start(TRIGGERER)
    assert airflow.wait_for_run(GATED_DAG, run_id) == "success"
    states = ["SUCCEED", "SUCCEED", "FAILED"] * 10 + ["SUCCEED", "SUCCEED"]
    assert airflow.xcom(GATED_DAG, run_id, "gather") == [states, states]


def test_a_missing_queue_fails_the_wait(airflow: AirflowApi, gate: Path) -> None:
    airflow.unpause(GATED_DAG)
    run_id = airflow.trigger(GATED_DAG, {"gate": str(gate), "jobs": 1, "topic": TOPIC, "queue": "no-such-queue"})
    assert airflow.wait_for_run(GATED_DAG, run_id) == "failed"
    gate.touch()
    log = airflow.log(GATED_DAG, run_id, "wait", map_index=0)
    for words in ("WaitQueueNotFoundError", "no-such-queue", "ap-guangzhou", "tencentcloud_default", "subscribe it"):
        assert words in log
