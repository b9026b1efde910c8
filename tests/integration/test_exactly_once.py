# SPDX-License-Identifier: Apache-2.0
"""On real Airflow: whatever kills a try on its way, or cuts its connections, its job is submitted once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.batch_answers import JobView
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT

TOPIC = "once-events"
QUEUE = "once-waits"
TASKS = 20
REPEATS = 3
"""How often the client makes a call again whose connection was cut."""


@pytest.fixture(autouse=True)
def topic_and_queue(emulator: CloudAddress) -> None:
    provision(emulator, TOPIC, QUEUE)


@pytest.fixture
def faults(emulator: CloudAddress) -> Iterator[httpx.Client]:
    """The emulator's control endpoint; what was put in force there is taken back."""
    key = (emulator.secret_id, emulator.secret_key)
    with httpx.Client(base_url=f"{emulator.endpoint}/_emulator", auth=key, trust_env=False, timeout=LIMIT) as client:
        yield client
        client.delete("/faults").raise_for_status()


def jobs_named(emulator: CloudAddress, prefix: str) -> list[JobView]:
    found: list[JobView] = []
    with SdkClient(emulator.access()) as client:
        while page := client.send(batch.describe_jobs(offset=len(found))):
            found += page
    return [job for job in found if job.name.startswith(prefix)]


def test_killed_workers_submit_once(airflow: AirflowApi, emulator: CloudAddress) -> None:
    airflow.unpause("dying_submits")
    run_id = airflow.trigger("dying_submits", {"topic": TOPIC, "queue": QUEUE, "tasks": TASKS})
    assert airflow.wait_for_run("dying_submits", run_id) == "success"

    tasks = [task for task in airflow.task_instances("dying_submits", run_id) if task["task_id"] == "submit"]
    assert [task["try_number"] for task in tasks] == [2] * TASKS, "each of them has died once"
    outcomes = airflow.xcom("dying_submits", run_id, "gather")
    jobs = jobs_named(emulator, "dying-")
    assert sorted(job.name for job in jobs) == sorted(f"dying-{number}" for number in range(TASKS))
    assert {outcome["job_id"] for outcome in outcomes} == {job.job_id for job in jobs}
    assert {outcome["state"] for outcome in outcomes} == {job.state for job in jobs} == {"SUCCEED"}


@pytest.mark.parametrize("moment", ["cut_before", "cut_after"])
def test_cut_connections_submit_once(
    airflow: AirflowApi, emulator: CloudAddress, faults: httpx.Client, moment: str
) -> None:
    tasks = 4
    earlier = {job.job_id for job in jobs_named(emulator, "cut-")}
    # More than one try can bear, so that some of them have to leave the rest to the next one.
    fault = {"effect": moment, "action": "SubmitJob", "next": tasks * (1 + REPEATS)}
    faults.post("/faults", json=fault).raise_for_status()
    airflow.unpause("cut_submits")
    run_id = airflow.trigger("cut_submits", {"topic": TOPIC, "queue": QUEUE, "tasks": tasks})
    assert airflow.wait_for_run("cut_submits", run_id) == "success"

    instances = [task for task in airflow.task_instances("cut_submits", run_id) if task["task_id"] == "submit"]
    assert max(task["try_number"] for task in instances) > 1, "a try has failed"
    jobs = [job for job in jobs_named(emulator, "cut-") if job.job_id not in earlier]
    assert sorted(job.name for job in jobs) == [f"cut-{number}" for number in range(tasks)]
    outcomes = airflow.xcom("cut_submits", run_id, "gather")
    assert {outcome["job_id"] for outcome in outcomes} == {job.job_id for job in jobs}
    assert {outcome["state"] for outcome in outcomes} == {"SUCCEED"}
