# SPDX-License-Identifier: Apache-2.0
"""The page "Batch" of a real Airflow in a real browser."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from helpers.browser import Browser, Page
from helpers.pictures import picture, show_in_guides

from airflow_batch_events.plugins.health import FIRST_POLL
from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi, TokenAuth
from devtools.airflow_stack.processes import ChildProcess, stop_all
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT, wait_until

DAG = "page_waits"
TOPIC, FINE, LOST = "page-topic", "page-fine", "page-lost"
ROUTES = ("queues", "waits", "ended", "watchers", "page.js")


@pytest.fixture
def queues(emulator: CloudAddress) -> Iterator[None]:
    """Two queues, one of which gets no message."""
    provision(emulator, TOPIC, FINE, LOST)
    faults, key = f"{emulator.endpoint}/_emulator/faults", (emulator.secret_id, emulator.secret_key)
    with httpx.Client(trust_env=False, auth=key) as client:
        added = client.post(faults, json={"effect": "drop", "queue": LOST}).raise_for_status().json()
        yield
        client.delete(f"{faults}/{added['number']}").raise_for_status()
    with SdkClient(emulator.access()) as client:
        for name in (FINE, LOST):
            client.send(delete_queue(name))
        client.send(delete_topic(TOPIC))


def rows(airflow: AirflowApi, path: str) -> list[dict[str, Any]]:
    address = f"{airflow.address}/batch-events/{path}"
    answer = httpx.get(address, params={"limit": 100}, trust_env=False, timeout=LIMIT, auth=TokenAuth(airflow.address))
    found = answer.raise_for_status().json()["rows"]
    return [row for row in found if row["dag_id"] == DAG]


async def cell_texts(page: Page, table: str) -> dict[str, list[str]]:
    """Return what the rows of a table show of our DAG, by task and run."""
    script = f"""[...document.querySelectorAll('[data-testid={table}] tbody tr')]
        .map((row) => [...row.cells].map((cell) => cell.innerText))"""
    shown = await page.evaluate(script)
    return {texts[0]: texts for texts in shown if texts[0].startswith(f"{DAG} /")}


@pytest.mark.browser
@pytest.mark.usefixtures("queues")
async def test_the_page_shows_waits_and_that_a_queue_is_broken(
    stack: AirflowStack, airflow: AirflowApi, emulator: CloudAddress, browser: Browser, tmp_path: Path
) -> None:
    airflow.unpause(DAG)
    gates = {airflow.trigger(DAG, {"gate": str(tmp_path / name)}): tmp_path / name for name in ("first", "second")}
    run_id, other_run_id = gates
    try:
        for task_id in ("arrives", "is_lost"):
            for each in gates:
                stack.wait_until_deferred(DAG, each, task_id)
        page = await browser.page(height=1100)
        # The login that comes by itself here leads back to the page only from Airflow 3.3 on.
        await page.open(f"{airflow.address}/auth/token/login")
        await page.open(f"{airflow.address}/plugin/batch")
        await page.wait_for("document.querySelectorAll('[data-testid=waits] tbody tr').length >= 4")
        waits = await cell_texts(page, "waits")
        for task_id, queue in (("arrives", FINE), ("is_lost", LOST)):
            job_id = airflow.xcom(DAG, run_id, task_id, key="job_id")
            assert waits[f"{DAG} / {task_id}\n{run_id}"][1:3] == [job_id, queue]
            link = f"{emulator.endpoint}/console/jobs/{job_id}"
            assert await page.evaluate(f"document.querySelector('.tb a[href=\"{link}\"]') !== null")

        # The link leads to the task, inside the page that is there.
        await page.evaluate(
            "[...document.querySelectorAll('.tb a')].find((a) => a.innerText.includes('arrives')).click()"
        )
        await page.wait_for(f"location.pathname.startsWith('/dags/{DAG}/runs/') && !document.querySelector('.tb')")
        await page.wait_for(
            "location.pathname.endsWith('/tasks/arrives') && document.body.innerText.includes('arrives')"
        )

        # The task's own page has links to the job and the queue in the console.
        page = await browser.page(height=800)
        await page.open(f"{airflow.address}/dags/{DAG}/runs/{quote(run_id)}/tasks/arrives/details")
        job_id = airflow.xcom(DAG, run_id, "arrives", key="job_id")
        for link in (f"jobs/{job_id}", f"queues/{FINE}"):
            await page.wait_for(f"document.querySelector('a[href=\"{emulator.endpoint}/console/{link}\"]')")
        await page.wait_for("['Extra Links', 'Details'].every((text) => document.body.innerText.includes(text))")
        await page.photograph(picture("links.png"))

        def have_lasted() -> bool | None:
            return all(row["age"] > FIRST_POLL for row in rows(airflow, "waits")) or None

        wait_until(have_lasted, failure=lambda: str(rows(airflow, "waits")))
        gates[run_id].touch()
        assert airflow.wait_for_run(DAG, run_id) == "success"
        for scheme in ("dark", "light"):
            page = await browser.page(height=1100)
            await page.show(scheme)
            await page.open(f"{airflow.address}/plugin/batch")
            await page.wait_for(f"document.documentElement.className.includes('{scheme}')")
            await page.wait_for(f"document.querySelector('[data-queue={LOST}][data-sign=broken]')")
            await page.wait_for("document.querySelectorAll('[data-testid=ended] tbody tr').length >= 2")
            await page.photograph(picture(f"batch-{scheme}.png"))
    finally:
        for gate in gates.values():
            gate.touch()
    assert airflow.wait_for_run(DAG, other_run_id) == "success"

    assert await page.evaluate(f"document.querySelector('[data-queue={FINE}]').dataset.sign") == "ok"
    advice = await page.evaluate(f"document.querySelector('[data-queue={LOST}] .advice').innerText")
    assert f"airflow-batch-events doctor --conn-id tencentcloud_default --queue {LOST}" in advice
    ended = await cell_texts(page, "ended")
    # Where this machine is busy, a poll may find the end before the event is read.
    by = {"event": "event", "api": "API"}[airflow.xcom(DAG, run_id, "arrives")["source"]]
    assert ended[f"{DAG} / arrives\n{run_id}"][2:5] == ["SUCCEED", by, FINE]
    assert ended[f"{DAG} / is_lost\n{run_id}"][2:5] == ["SUCCEED", "API", LOST]
    assert [text for text in page.complaints if "batch" in text.lower()] == []
    show_in_guides("batch-dark.png", "batch-light.png", "links.png")


@pytest.fixture
def with_login(stack: AirflowStack, tmp_path: Path) -> Iterator[AirflowApi]:
    """A further API server of the same Airflow, which wants a login."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    passwords = tmp_path / "passwords.json"
    passwords.write_text('{"vera": "of the test"}')
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "vera:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    }
    log = tmp_path / "api-server.log"
    server = ChildProcess(
        "api-server", [sys.executable, "-m", "airflow", "api-server"], env={**stack.env, **settings}, log=log
    )
    server.start()
    try:
        with AirflowApi(f"http://127.0.0.1:{port}") as api:
            wait_until(api.health, failure=server.tail)
            yield api
    finally:
        stop_all([server], grace=10)


def test_only_who_is_logged_in_gets_data(airflow: AirflowApi, with_login: AirflowApi) -> None:
    with httpx.Client(base_url=with_login.address, trust_env=False, timeout=LIMIT) as client:
        assert {path: client.get(f"/batch-events/{path}").status_code for path in ROUTES} == dict.fromkeys(ROUTES, 401)
        login = client.post("/auth/token", json={"username": "vera", "password": "of the test"}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
        assert {path: client.get(f"/batch-events/{path}").status_code for path in ROUTES} == dict.fromkeys(ROUTES, 200)
