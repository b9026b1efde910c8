# SPDX-License-Identifier: Apache-2.0
"""What Airflow's pages show of the provider: the connection form, and the links of a task that waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi, TokenAuth
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT

DAG = "gated_jobs"
TOPIC, QUEUE = "page-events", "page-waits"


@pytest.fixture
def pages(airflow: AirflowApi) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=airflow.address, trust_env=False, timeout=LIMIT, auth=TokenAuth(airflow.address)
    ) as client:
        yield client


@pytest.fixture
def topic_and_queue(emulator: CloudAddress) -> Iterator[None]:
    provision(emulator, TOPIC, QUEUE)
    yield
    with SdkClient(emulator.access()) as client:
        client.send(delete_queue(QUEUE))
        client.send(delete_topic(TOPIC))


def test_the_connection_form(pages: httpx.Client) -> None:
    forms = pages.get("/ui/connections/hook_meta").raise_for_status().json()
    (form,) = (one for one in forms if one["connection_type"] == "tencentcloud")
    standard, extra = form["standard_fields"], form["extra_fields"]
    assert (standard["login"]["title"], standard["password"]["title"]) == ("SecretId", "SecretKey")
    assert all(standard[name]["hidden"] for name in ("host", "port", "url_schema"))
    assert {"region", "cmq_endpoint", "batch_endpoint", "tdmq_endpoint", "token"} <= extra.keys()
    assert extra["token"]["schema"]["format"] == "password"
    for name, field in extra.items():
        assert field["schema"]["title"], name
        assert field["description"], name


@pytest.mark.usefixtures("topic_and_queue")
def test_a_waiting_task_has_links(
    stack: AirflowStack, airflow: AirflowApi, pages: httpx.Client, emulator: CloudAddress, tmp_path: Path
) -> None:
    airflow.unpause(DAG)
    gate = tmp_path / "open"
    run_id = airflow.trigger(DAG, {"gate": str(gate), "jobs": 1, "topic": TOPIC, "queue": QUEUE})
    stack.wait_until_deferred(DAG, run_id, "wait", count=1)

    def links(task_id: str) -> dict[str, Any]:
        path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/links"
        answer = pages.get(path, params={"map_index": 0}).raise_for_status().json()
        return {name: address for name, address in answer["extra_links"].items() if address}

    try:
        job_id = airflow.xcom(DAG, run_id, "submit", map_index=0)
        console = f"{emulator.endpoint}/console"
        assert links("submit") == {"Batch job": f"{console}/jobs/{job_id}", "Topic": f"{console}/topics/{TOPIC}"}
        assert links("wait") == {"Batch job": f"{console}/jobs/{job_id}", "Queue": f"{console}/queues/{QUEUE}"}
        for task_id, name, shown in (
            ("submit", "Batch job", job_id),
            ("submit", "Topic", TOPIC),
            ("wait", "Queue", QUEUE),
        ):
            assert shown in pages.get(links(task_id)[name]).raise_for_status().text
    finally:
        gate.touch()
    assert airflow.wait_for_run(DAG, run_id) == "success"
