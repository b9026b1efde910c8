# SPDX-License-Identifier: Apache-2.0
"""
Every example in ``dags/`` runs on real Airflow against the emulated cloud; those that can, side by side.

The two that Batch events start are in ``test_watchers.py``.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import DAGS

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic, describe_queue
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until

TOPIC, QUEUE = "batch-events", "airflow-batch-events"
INBOX, APPROVALS = "airflow-inbox", "airflow-approvals"
LIMIT = 180

OUT_OF_MEMORY_ONCE = "cd ../../.. && test -e tried && exec echo done; touch tried; echo MemoryError >&2; exit 137"
"""A command for the emulator's processes, whose directories of all jobs are beside each other."""

STARTED: dict[str, dict[str, Any]] = {
    "batch_compute_env": {"nodes": 1, "more_nodes": 2},
    "batch_fan_out": {"jobs": 3, "command": "sleep 1"},
    "batch_job_decorator": {"parts": 3},
    "batch_larger_machine": {"command": OUT_OF_MEMORY_ONCE},
    "batch_many_jobs": {"jobs": 8},
    "batch_wait_without_worker": {"jobs": 3, "seconds": 1},
}
if abilities.HAS_STATE_STORE:
    STARTED["batch_machine_by_cause"] = {}
MESSAGES = {"cmq_on_message", "cmq_wait_for_message"}
ELSEWHERE = {"batch_on_job_end", "batch_on_nightly_failure"}
NEW = {"batch_machine_by_cause"}
"""Those that an Airflow without a state store refuses when they run."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that lets the job of ``batch_branch_on_result`` fail."""
    return tmp_path_factory.mktemp("gates") / "open"


@pytest.fixture(scope="module")
def runs(stack: AirflowStack, emulator: CloudAddress, gate: Path) -> Iterator[dict[str, str]]:
    """A run of each example that is started by hand."""
    provision(emulator, TOPIC, QUEUE)
    fails = f"until [ -e {shlex.quote(str(gate))} ]; do sleep 0.2; done; exit 3"
    started = {"batch_branch_on_result": {"command": fails}, **STARTED}
    for dag_id in started:
        stack.api.unpause(dag_id)
    yield {dag_id: stack.api.trigger(dag_id, conf) for dag_id, conf in started.items()}
    with SdkClient(emulator.access()) as client:
        client.send(delete_queue(QUEUE))
        client.send(delete_topic(TOPIC))


def test_every_example_is_tried() -> None:
    text = "\n".join(file.read_text() for file in DAGS["examples"].glob("*.py"))
    assert (
        set(re.findall(r'dag_id="(\w+)"', text))
        == {"batch_branch_on_result"} | STARTED.keys() | MESSAGES | ELSEWHERE | NEW
    )


def test_a_result_is_branched_on(airflow: AirflowApi, stack: AirflowStack, runs: dict[str, str], gate: Path) -> None:
    run = ("batch_branch_on_result", runs["batch_branch_on_result"])
    stack.wait_until_deferred(*run, "branch")
    gate.touch()
    assert airflow.wait_for_run(*run) == "success"
    states = airflow.states(*run)
    assert (states["publish_result"], states["raise_alarm"]) == ("skipped", "success")
    job_id = airflow.xcom(*run, "submit")
    assert airflow.xcom(*run, "raise_alarm") == f"job {job_id} ended FAILED"


@pytest.mark.parametrize(
    ("dag_id", "task_id", "jobs"),
    # Without workers, a last job summarizes the three.
    [
        ("batch_fan_out", "gather", 3),
        ("batch_job_decorator", "report", 3),
        ("batch_many_jobs", "report", 8),
        ("batch_wait_without_worker", "gather", 4),
    ],
)
def test_many_jobs_are_waited_for_and_gathered(
    airflow: AirflowApi, runs: dict[str, str], dag_id: str, task_id: str, jobs: int
) -> None:
    assert airflow.wait_for_run(dag_id, runs[dag_id]) == "success"
    assert airflow.xcom(dag_id, runs[dag_id], task_id) == {"jobs": jobs, "succeeded": jobs}


def test_the_next_try_takes_a_larger_machine(airflow: AirflowApi, runs: dict[str, str], emulator: CloudAddress) -> None:
    run = ("batch_larger_machine", runs["batch_larger_machine"])
    assert airflow.wait_for_run(*run) == "success"
    job_id = airflow.xcom(*run, "larger")["job_id"]
    with SdkClient(emulator.access()) as client:
        info = client.send(batch.describe_job(job_id)).raw
    assert {tag["Key"]: tag["Value"] for tag in info["Tags"]}["airflow-try"] == "2"


@pytest.mark.needs("HAS_STATE_STORE")
def test_the_machine_may_be_chosen_by_the_last_failure(airflow: AirflowApi, runs: dict[str, str]) -> None:
    run = ("batch_machine_by_cause", runs["batch_machine_by_cause"])
    assert airflow.wait_for_run(*run) == "success"


def test_a_compute_environment_comes_and_goes(
    airflow: AirflowApi, runs: dict[str, str], emulator: CloudAddress
) -> None:
    run = ("batch_compute_env", runs["batch_compute_env"])
    assert airflow.wait_for_run(*run) == "success"
    assert set(airflow.states(*run).values()) == {"success"}
    assert airflow.xcom(*run, "work")["succeeded"]
    env_id = airflow.xcom(*run, "create", key="env_id")
    with SdkClient(emulator.access()) as client:
        assert env_id not in {env.env_id for env in client.send(batch.describe_compute_envs())}


@pytest.fixture
def message_queues(emulator: CloudAddress) -> Iterator[None]:
    provision(emulator, "plain-messages", INBOX)
    provision(emulator, "approvals", APPROVALS)
    yield
    with SdkClient(emulator.access()) as client:
        for queue_name in (INBOX, APPROVALS):
            client.send(delete_queue(queue_name))
        for topic_name in ("plain-messages", "approvals"):
            client.send(delete_topic(topic_name))


def send(emulator: CloudAddress, queue_name: str, body: str) -> None:
    async def call() -> None:
        async with CmqClient(emulator.access()) as client:
            await client.send(queue_name, body)

    asyncio.run(call())


def messages_in(emulator: CloudAddress, queue_name: str) -> int:
    with SdkClient(emulator.access()) as client:
        queue = client.send(describe_queue(queue_name))
    return (queue.active_msg_num or 0) + (queue.inactive_msg_num or 0)


@pytest.mark.usefixtures("message_queues")
def test_a_message_starts_a_run(airflow: AirflowApi, emulator: CloudAddress) -> None:
    airflow.unpause("cmq_on_message")
    send(emulator, INBOX, "no event of Batch")

    def read() -> Any:
        for (dag_id, run_id), state in airflow.run_states().items():
            if (dag_id, state) == ("cmq_on_message", "success"):
                return airflow.xcom(dag_id, run_id, "read")
        return None

    assert wait_until(read, failure=lambda: "no run was started") == ["no event of Batch"]
    wait_until(lambda: messages_in(emulator, INBOX) == 0 or None, failure=lambda: "the message is still there")


@pytest.mark.usefixtures("message_queues")
def test_a_task_waits_for_a_message(airflow: AirflowApi, emulator: CloudAddress) -> None:
    airflow.unpause("cmq_wait_for_message")
    for body in ("the budget", "the holidays"):
        run = ("cmq_wait_for_message", airflow.trigger("cmq_wait_for_message"))
        airflow.wait_for_states(*run, "approval", {"deferred"})
        send(emulator, APPROVALS, body)
        assert airflow.wait_for_run(*run) == "success"
        assert airflow.xcom(*run, "approval") == body
        assert airflow.xcom(*run, "go_on") == f"approved: {body}"
    wait_until(lambda: messages_in(emulator, APPROVALS) == 0 or None, failure=lambda: "a message is still there")
