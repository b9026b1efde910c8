# SPDX-License-Identifier: Apache-2.0
"""On real Airflow: a user sees the same end, whether a worker or the triggerer has ended the task."""

from __future__ import annotations

import re
from typing import Any

import pytest
from integration.dags.same_ends import ENDS, WAYS

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import SCHEDULER
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until

DAG, EARLY_DAG = "same_ends", "early_ends"
TOPIC, QUEUE = "same-ends", "same-waits"
KINDS = ("sensor", "operator")
WAITS = 20
MISMATCH = "but the task instance's state attribute is"
"""What the scheduler says when it fails a task because its first process seemed to run."""


class Run:
    """A run of all the waits that has ended."""

    def __init__(self, airflow: AirflowApi, run_id: str, deferred: dict[str, Any]) -> None:
        self.airflow = airflow
        self.run_id = run_id
        self.deferred = deferred
        self.ended = instances_of(airflow, run_id)

    def is_resumed(self, task_id: str) -> bool:
        """Whether a second process was started for a task."""
        return bool(self.ended[task_id]["pid"] != self.deferred[task_id]["pid"])

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        return self.airflow.xcom(DAG, self.run_id, task_id, key=key)

    def log(self, task_id: str) -> str:
        return self.airflow.log(DAG, self.run_id, task_id)


def instances_of(airflow: AirflowApi, run_id: str) -> dict[str, Any]:
    return {one["task_id"]: one for one in airflow.task_instances(DAG, run_id)}


@pytest.fixture(scope="module")
def run(stack: AirflowStack, emulator: CloudAddress, tmp_path_factory: pytest.TempPathFactory) -> Run:
    provision(emulator, TOPIC, QUEUE)
    gate = tmp_path_factory.mktemp("gates") / "open"
    airflow = stack.api
    airflow.unpause(DAG)
    run_id = airflow.trigger(DAG, {"gate": str(gate), "topic": TOPIC, "queue": QUEUE})
    tasks = [f"{kind}_{way}_{end}" for kind in KINDS for way in WAYS for end in ENDS]
    for task_id in tasks:
        stack.wait_until_deferred(DAG, run_id, task_id)
    deferred = instances_of(airflow, run_id)
    gate.touch()
    assert airflow.wait_for_run(DAG, run_id) == "failed"
    return Run(airflow, run_id, deferred)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_success_looks_the_same_wherever_it_ends(run: Run, kind: str, way: str) -> None:
    task_id = f"{kind}_{way}_good"
    task = run.ended[task_id]

    assert run.is_resumed(task_id) is (way == "worker")
    assert (task["state"], task["try_number"]) == ("success", 1)
    assert task["start_date"] < task["end_date"]
    assert task["duration"] > 0
    outcome = run.xcom(task_id)
    assert outcome.keys() == run.xcom(f"{kind}_worker_good").keys()
    assert (outcome["state"], outcome["succeeded"]) == ("SUCCEED", True)
    assert outcome["job_id"] == (run.xcom(task_id, "job_id") if kind == "operator" else run.xcom("submit_good"))
    assert outcome["job_id"] in run.xcom(task_id, "_link_BatchJobLink")
    assert ends_in(run.log(task_id)) == [f"Job {outcome['job_id']} ended SUCCEED"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_looks_the_same_wherever_it_ends(run: Run, kind: str, way: str) -> None:
    task_id = f"{kind}_{way}_bad"
    task = run.ended[task_id]

    assert run.is_resumed(task_id) is (way != "triggerer")
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert task["start_date"] < task["end_date"]
    assert task["duration"] > 0
    log = run.log(task_id)
    job_id = run.xcom(task_id, "job_id") if kind == "operator" else run.xcom("submit_bad")
    assert ends_in(log) == [f"Job {job_id} ended FAILED"]
    assert "BatchJobFailedError" in log
    assert "exit code 7" in log
    assert "no such input" in log
    # What ends in the triggerer is told to the DAG processor, without the error.
    assert ("the callback was given BatchJobFailedError" in log) is (way != "triggerer")


def ends_in(log: str) -> list[str]:
    return re.findall(r"Job job-\w+ ended [A-Z_]+", log)


def test_a_success_need_not_wait_for_its_worker(
    airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress
) -> None:
    """Each wait ends as soon as it begins, while Airflow may still see the process that has deferred it."""
    provision(emulator, TOPIC, QUEUE)
    before = stack.log(SCHEDULER).read_text(errors="replace").count(MISMATCH)
    with SdkClient(emulator.access()) as client:
        job = build_job("early", "true", image="img-eb30mz89", instance_type="S5.MEDIUM2")
        job_id = client.send(batch.submit_job(job, {"Zone": "ap-guangzhou-6"}))

        def has_ended() -> bool | None:
            states = [view.state for view in client.send(batch.describe_jobs()) if view.job_id == job_id]
            return True if states == ["SUCCEED"] else None

        wait_until(has_ended, failure=lambda: f"job {job_id} does not end")
    airflow.unpause(EARLY_DAG)
    run_id = airflow.trigger(EARLY_DAG, {"job_id": job_id, "waits": WAITS, "queue": QUEUE})

    assert airflow.wait_for_run(EARLY_DAG, run_id) == "success"

    assert airflow.count_tasks(EARLY_DAG, run_id, "success") == WAITS + 1
    assert stack.log(SCHEDULER).read_text(errors="replace").count(MISMATCH) == before
