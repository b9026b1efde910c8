# SPDX-License-Identifier: Apache-2.0
"""On real Airflow: the next try takes another machine, and of many jobs the causes are told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from support.emulator_helpers import address_of

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import start_emulator

DAG = "machines"
TOPIC, QUEUE, CONNECTION = "machine-events", "machine-waits", "machines"


@pytest.fixture(scope="module")
def cloud(stack: AirflowStack) -> Iterator[CloudAddress]:
    """A cloud whose jobs do as their commands say, and the connection that leads to it."""
    with start_emulator(delays=Delays.none()) as emulator:
        address = address_of(emulator)
        provision(address, TOPIC, QUEUE)
        stack.run("connections", "add", CONNECTION, "--conn-json", json.dumps(address.connection()))
        yield address


def machine_of(client: SdkClient, job_id: str) -> tuple[str, str | None, str]:
    """Return the type, how it is charged, and the zone of a job's machine."""
    data = client.send(batch.describe_job_submit_info(job_id))["Tasks"][0]["ComputeEnv"]["EnvData"]
    zone = client.send(batch.describe_job(job_id)).raw["Zone"]
    return data["InstanceType"], data.get("InstanceChargeType"), zone


@pytest.fixture(scope="module")
def run_id(stack: AirflowStack, cloud: CloudAddress) -> str:
    """A run that has ended."""
    stack.api.unpause(DAG)
    run_id = stack.api.trigger(DAG, {"topic": TOPIC, "queue": QUEUE, "connection": CONNECTION})
    # It fails because of the task with many jobs.
    assert stack.api.wait_for_run(DAG, run_id) == "failed"
    return run_id


def test_a_job_out_of_memory_ends_well_on_a_larger_machine(
    airflow: AirflowApi, cloud: CloudAddress, run_id: str
) -> None:
    assert airflow.states(DAG, run_id)["larger"] == "success"
    log = airflow.log(DAG, run_id, "larger", try_number=1)
    assert "BatchJobOutOfMemoryError" in log
    with SdkClient(cloud.access()) as client:
        job_id = airflow.xcom(DAG, run_id, "larger")["job_id"]
        assert machine_of(client, job_id) == ("S5.LARGE8", None, "ap-guangzhou-6")


@pytest.mark.parametrize("task_id", ["on_demand", *(["by_cause"] if abilities.HAS_STATE_STORE else [])])
def test_a_job_on_spot_ends_well_on_demand_in_another_zone(
    airflow: AirflowApi, cloud: CloudAddress, run_id: str, task_id: str
) -> None:
    assert airflow.states(DAG, run_id)[task_id] == "success"
    assert "the spot instance was reclaimed" in airflow.log(DAG, run_id, task_id, try_number=1)
    with SdkClient(cloud.access()) as client:
        machine, charged, zone = machine_of(client, airflow.xcom(DAG, run_id, task_id)["job_id"])
    assert (machine, zone) == ("S5.MEDIUM4", "ap-guangzhou-7")
    assert charged in (None, "POSTPAID_BY_HOUR")


def test_of_many_jobs_the_causes_are_told(airflow: AirflowApi, run_id: str) -> None:
    # The exit code says that another try is pointless.
    (task,) = [one for one in airflow.task_instances(DAG, run_id) if one["task_id"] == "many"]
    assert (task["state"], task["try_number"]) == ("failed", 1)
    outcomes = airflow.xcom(DAG, run_id, "many", key="batch_outcome")
    assert [one.get("cause") for one in outcomes] == [None, "out_of_memory", "exit_code"]
    log = airflow.log(DAG, run_id, "many")
    assert "1 of 3 jobs succeeded; 2 FAILED. Causes:" in log
    assert "no_table" in log
