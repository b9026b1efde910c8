# SPDX-License-Identifier: Apache-2.0
"""On real Airflow: what jobs write is shown while they run, and what they leave behind is a task's value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.small_cos import SmallCos, running_cos

from devtools.airflow_stack.airflow_api import AirflowApi, TokenAuth
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT, wait_until

DAG_ID = "job_values"
TOPIC, QUEUE, BUCKET = "values-events", "values-waits", "results-1250000000"


class AnyObject(dict[Any, bytes]):
    """Objects of all keys, because a job's id is not known before it runs."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: tuple[str, str]) -> bytes:
        return json.dumps({"object": key[1]}).encode()


@pytest.fixture
def cos(airflow: AirflowApi, emulator: CloudAddress) -> Iterator[SmallCos]:
    connection = emulator.connection()
    with running_cos({emulator.secret_id: emulator.secret_key}) as cos:
        cos.objects = AnyObject({(BUCKET, "a"): b"1"})
        extra = {**dict(connection["extra"]), "cos_endpoint": cos.endpoint}  # type: ignore[call-overload]
        body = {**connection, "connection_id": "with_cos", "extra": json.dumps(extra)}
        with httpx.Client(
            base_url=f"{airflow.address}/api/v2", trust_env=False, timeout=LIMIT, auth=TokenAuth(airflow.address)
        ) as client:
            client.post("/connections", json=body).raise_for_status()
        yield cos


def test_a_job_is_heard_while_it_runs_and_its_value_is_the_task_s(
    airflow: AirflowApi, emulator: CloudAddress, cos: SmallCos, tmp_path: Path
) -> None:
    provision(emulator, TOPIC, QUEUE)
    gate = tmp_path / "open"
    airflow.wait_for_dag(DAG_ID)
    airflow.unpause(DAG_ID)
    conf = {"gate": str(gate), "topic": TOPIC, "queue": QUEUE, "bucket": BUCKET}
    run_id = airflow.trigger(DAG_ID, conf)

    def log(task_id: str) -> str:
        return airflow.log(DAG_ID, run_id, task_id)

    airflow.wait_for_states(DAG_ID, run_id, "speaks", {"deferred"}, count=1)
    wait_until(lambda: "    step 1" in log("speaks") or None, failure=lambda: log("speaks"))
    assert airflow.states(DAG_ID, run_id)["speaks"] == "deferred"
    assert "step 2" not in log("speaks")
    gate.touch()
    assert airflow.wait_for_run(DAG_ID, run_id) == "failed"

    states = airflow.states(DAG_ID, run_id)
    assert [task_id for task_id, state in states.items() if state != "success"] == ["silent"]
    assert airflow.xcom(DAG_ID, run_id, "speaks") == {"rows": 7}
    assert airflow.xcom(DAG_ID, run_id, "speaks", key="batch_outcome")["state"] == "SUCCEED"
    assert airflow.xcom(DAG_ID, run_id, "add_one") == 8
    assert airflow.xcom(DAG_ID, run_id, "sensed") == 41
    job_id = airflow.xcom(DAG_ID, run_id, "stored", key="job_id")
    assert airflow.xcom(DAG_ID, run_id, "stored") == {"object": f"{job_id}.json"}
    assert (log("speaks").count("    step 1"), log("speaks").count("    step 2")) == (1, 1)
    assert "BatchJobResultError" in log("silent")
    assert "qcloud_cos" not in log("stored")
