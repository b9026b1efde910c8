# SPDX-License-Identifier: Apache-2.0
"""What Airflow's pages show of the provider: the connection form, and the links of a task that waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from helpers.browser import Browser
from helpers.pictures import picture, show_in_guides

from airflow_batch_events.get_provider_info import get_provider_info
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


FILLED_IN: dict[str, Any] = {
    "conn_type": "tencentcloud",
    "login": "AKIDexample",
    "password": "of no account",
    "extra": {"region": "ap-guangzhou", "cmq_endpoint": "https://cmq-gz.public.tencenttdmq.com"},
}


# Fields of the form that most connections leave as they are; it shows those that a connection has.
LEFT_OUT = ("token", "role_session_name", "role_duration_seconds", "role_external_id", "proxy")


@pytest.fixture
def filled_in(pages: httpx.Client) -> Iterator[str]:
    """A connection as it is stored after somebody has filled in the form."""
    (form,) = (one for one in get_provider_info()["connection-types"] if one["connection-type"] == "tencentcloud")
    fields = {name: of["schema"] for name, of in form["conn-fields"].items() if name not in LEFT_OUT}
    extra = {name: schema.get("default", "") for name, schema in fields.items()}
    conn_id = "tencentcloud_batch"
    body = {**FILLED_IN, "connection_id": conn_id, "extra": json.dumps({**extra, **FILLED_IN["extra"]})}
    pages.post("/api/v2/connections", json=body).raise_for_status()
    yield conn_id
    pages.delete(f"/api/v2/connections/{conn_id}").raise_for_status()


@pytest.mark.browser
async def test_the_form_shows_what_was_filled_in(airflow: AirflowApi, filled_in: str, browser: Browser) -> None:
    page = await browser.page(height=2000)
    # Airflow 3.1 wants a login, which leads to its home page.
    await page.open(f"{airflow.address}/auth/token/login")
    await page.open(f"{airflow.address}/connections")
    await page.wait_for(f"document.body.innerText.includes('{filled_in}')")
    # Other tests have left connections, too.
    row = f"[...document.querySelectorAll('tr')].find((one) => one.innerText.includes('{filled_in}'))"
    edit = f"{row}.querySelector('[aria-label=\"Edit Connection\"]')"
    dialog = "document.querySelector('[role=dialog]')"
    text = f"{dialog}.innerText"
    # Airflow 3.1 closes the form when it has learned the types of connections after the click: it makes the rows anew.
    await page.wait_for(
        f"({dialog} || {edit}.click(), ['SecretId', 'SecretKey'].every((label) => {text}.includes(label)))"
    )
    # A part of the form opens for the key that the focus is on.
    part = """[...document.querySelectorAll('[role=dialog] button[aria-expanded=false]')]
        .find((one) => one.innerText.trim() === 'Extra Fields')"""
    await page.wait_for(f"{part} && ({part}.focus(), true)")
    await page.evaluate("document.activeElement.click()")
    labels = ["Region", "CMQ endpoint", "Batch endpoint", "Console URL", "Role to assume"]
    await page.wait_for(f"{json.dumps(labels)}.every((label) => {text}.includes(label))")
    await page.wait_for(f"{dialog}.getAnimations({{subtree: true}}).length === 0")
    await page.photograph(picture("connection.png"), of="[role=dialog]")
    assert FILLED_IN["extra"]["cmq_endpoint"] in await page.evaluate(
        "[...document.querySelectorAll('[role=dialog] input')].map((field) => field.value)"
    )
    # Airflow 3.1 says this of each of its pages.
    assert [text for text in page.complaints if "HydrateFallback" not in text] == []
    show_in_guides("connection.png")


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
