# SPDX-License-Identifier: Apache-2.0
"""Waits that begin and end in the triggerer: no worker, the same results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.emulator_process import CloudAddress, provision

pytestmark = pytest.mark.needs("HAS_START_FROM_TRIGGER")

DAG_ID = "without_workers"
TOPIC, QUEUE = "batch-events", "airflow-batch-events"
JOBS = 9
WAITS = ("wait_for_one", "wait_for_list", "wait_for_many", "grouped.wait", "fails", "skips")


@pytest.fixture(autouse=True)
def topic_and_queue(emulator: CloudAddress) -> Iterator[None]:
    provision(emulator, TOPIC, QUEUE)
    yield
    with SdkClient(emulator.access()) as client:
        client.send(delete_queue(QUEUE))
        client.send(delete_topic(TOPIC))


def worked_on(instance: dict[str, Any]) -> bool:
    """Whether Airflow's records show that a worker process was started for a task instance."""
    return instance["pid"] is not None or instance["queued_when"] is not None


def test_waits_need_no_worker(airflow: AirflowApi, tmp_path: Path) -> None:
    gate = tmp_path / "open"
    airflow.wait_for_dag(DAG_ID)
    airflow.unpause(DAG_ID)
    run_id = airflow.trigger(DAG_ID, {"gate": str(gate), "jobs": JOBS})
    airflow.wait_for_states(DAG_ID, run_id, "wait_for_many", {"deferred"}, count=JOBS)
    airflow.wait_for_states(DAG_ID, run_id, "whole", {"deferred"}, count=1)
    gate.touch()

    assert airflow.wait_for_run(DAG_ID, run_id) == "failed"

    instances = airflow.task_instances(DAG_ID, run_id)
    waits = [one for one in instances if one["task_id"] in WAITS]
    assert len(waits) == JOBS + 6
    assert [one["task_id"] for one in waits if worked_on(one)] == []
    assert all(worked_on(one) for one in instances if one["task_id"] == "many")

    states = airflow.states(DAG_ID, run_id)
    assert {label: states[label] for label in ("wait_for_one", "fails", "skips", "whole", "grouped.wait[1]")} == {
        "wait_for_one": "success",
        "fails": "failed",
        "skips": "skipped",
        "whole": "success",
        "grouped.wait[1]": "success",
    }
    assert airflow.xcom(DAG_ID, run_id, "gather") == {
        "single": "SUCCEED",
        "listed": ["SUCCEED"],
        "mapped": ["FAILED" if number % 3 == 2 else "SUCCEED" for number in range(JOBS)],
        "whole": "SUCCEED",
    }
    assert airflow.xcom(DAG_ID, run_id, "one_of", map_index=0) == airflow.xcom(DAG_ID, run_id, "one")

    (failed,) = [one for one in instances if one["task_id"] == "fails"]
    assert failed["try_number"] == 2
    log = airflow.log(DAG_ID, run_id, "fails", try_number=2)
    assert "exit code 7" in log
    assert "no such input" in log
    assert "/jobs/" in airflow.xcom(DAG_ID, run_id, "wait_for_one", key="_link_BatchJobLink")
