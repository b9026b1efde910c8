# SPDX-License-Identifier: Apache-2.0
"""Who gets what from the app: through Airflow's own checks, on Airflow's own tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api import security
from airflow.models.dag import DagModel
from fastapi import FastAPI
from starlette.testclient import TestClient
from support.airflow_database import AirflowDatabase, outcome, place

from airflow_batch_events.airflow_compat.ui import access
from airflow_batch_events.plugins import api
from airflow_batch_events.plugins.batch_page import LazyApp
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger

ROUTES = ("/queues", "/waits", "/ended", "/watchers", "/page.js")
ROWS = {"offset": 0, "limit": 25}


class ByDag(SimpleAuthManager):
    """Lets a user read the DAGs that his name ends with; ``nobody`` reads none, and only ``admin`` sees assets."""

    async def get_user_from_token(self, token: str) -> Any:
        return SimpleAuthManagerUser(username=token, role="viewer")

    def is_authorized_dag(self, *, method: str, user: Any, access_entity: Any = None, details: Any = None) -> bool:
        dag_id = getattr(details, "id", None)
        assert method == "GET"
        return user.username != "nobody" and (dag_id is None or user.username in ("admin", f"reader of {dag_id}"))

    def is_authorized_asset(self, *, method: str, user: Any, details: Any = None) -> bool:
        return bool(user.username == "admin")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowDatabase]:
    made = AirflowDatabase()
    manager = ByDag()
    for module in (security, access):
        monkeypatch.setattr(module, "get_auth_manager", lambda: manager)
    monkeypatch.setattr(DagModel, "get_team_name", lambda *_, **__: None, raising=False)
    monkeypatch.setattr(api, "create_session", made.session)
    yield made
    made.close()


@pytest.fixture
def server(database: AirflowDatabase) -> Iterator[TestClient]:
    """The app, mounted as Airflow mounts it."""
    airflow = FastAPI()
    airflow.mount("/batch-events", LazyApp())
    with TestClient(airflow, base_url="http://airflow") as client:
        yield client


def get(server: TestClient, path: str, user: str = "admin", **params: Any) -> Any:
    answer = server.get(f"/batch-events{path}", headers={"Authorization": f"Bearer {user}"}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ROUTES)
def test_who_is_not_logged_in_gets_nothing(server: TestClient, path: str) -> None:
    assert server.get(f"/batch-events{path}").status_code == 401


@pytest.mark.parametrize("path", ROUTES)
def test_who_may_read_no_dag_gets_nothing(server: TestClient, path: str) -> None:
    assert server.get(f"/batch-events{path}", headers={"Authorization": "Bearer nobody"}).status_code == 403


def test_who_may_not_read_assets_gets_no_watchers(server: TestClient) -> None:
    answer = server.get("/batch-events/watchers", headers={"Authorization": "Bearer reader of etl"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/../api.py"])
def test_there_is_nothing_else(server: TestClient, path: str) -> None:
    assert server.get(f"/batch-events{path}", headers={"Authorization": "Bearer admin"}).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(server: TestClient, method: str) -> None:
    answer = server.request(method, "/batch-events/waits", headers={"Authorization": "Bearer admin"})
    assert answer.status_code == 405


def test_rows_of_a_dag_come_only_for_who_may_read_it(server: TestClient, database: AirflowDatabase) -> None:
    for dag_id in ("etl", "payroll"):
        database.deferred(place("wait", dag_id), BatchJobTrigger(f"job-of-{dag_id}", f"queue-of-{dag_id}"))
        database.ended(place("done", dag_id), outcome(f"ended-of-{dag_id}"), queue=f"queue-of-{dag_id}")
    for path in ("/queues", "/waits", "/ended"):
        assert "payroll" in json.dumps(get(server, path))
        shown = json.dumps(get(server, path, "reader of etl", dag_id="etl"))
        assert "etl" in shown
        assert "payroll" not in shown
        assert "payroll" not in json.dumps(get(server, path, "reader of etl"))


def test_a_secret_in_a_trigger_never_leaves(server: TestClient, database: AirflowDatabase) -> None:
    hidden = {"Command": "login --password hunter2"}
    database.deferred(place("many"), BatchJobsTrigger(jobs="hunter2", total=7, placement=hidden, notes=["hunter2"]))
    database.deferred(place("one"), BatchJobTrigger("job-1", "q", end={"hunter2": True}))
    database.ended(place("done"), {**outcome(), "event_vars": {"hunter2": "hunter2"}, "reason": "hunter2"})
    database.watcher("jobs", "w", BatchEventTrigger("q", event_vars={"hunter2": "hunter2"}))
    shown = json.dumps([get(server, path) for path in ("/queues", "/waits", "/ended", "/watchers")])
    assert "job-1" in shown
    assert "hunter2" not in shown


def test_open_waits_come_in_pages_with_links(server: TestClient, database: AirflowDatabase) -> None:
    for number in range(5):
        where = place("wait", map_index=number)
        database.deferred(where, BatchJobTrigger(f"job-{number}", "q"), age=100 - number)
        link = "javascript:alert(1)" if number == 3 else f"https://console.example/jobs/job-{number}"
        database.xcom(where, "_link_BatchJobLink", link)
    page = get(server, "/waits", offset=2, limit=2)
    assert page["total"] == 5
    assert [(row["map_index"], row["console"]) for row in page["rows"]] == [
        (2, "https://console.example/jobs/job-2"),
        (3, None),
    ]
    assert get(server, "/waits", offset=5)["rows"] == []


@pytest.mark.parametrize("params", [{"limit": 101}, {"limit": 0}, {"offset": -1}, {"offset": "x"}, {"offset": 10**20}])
def test_a_page_has_bounds(server: TestClient, params: dict[str, Any]) -> None:
    answer = server.get("/batch-events/waits", headers={"Authorization": "Bearer admin"}, params=params)
    assert answer.status_code == 422


def test_ended_waits_have_their_cause_and_lag(server: TestClient, database: AirflowDatabase) -> None:
    database.ended(place("by_event"), outcome("job-1", "event", event_ago=62), ago=60)
    database.ended(place("by_api"), outcome("job-2", "api", event_ago=None), ago=50)
    database.ended(place("failed"), None, ago=40, state="failed")
    rows = get(server, "/ended")["rows"]
    assert [(row["task_id"], row["source"], row["lag"]) for row in rows] == [
        ("failed", None, None),
        ("by_api", "api", None),
        ("by_event", "event", 2.0),
    ]


def test_a_queue_whose_waits_all_end_by_polls_is_broken(server: TestClient, database: AirflowDatabase) -> None:
    for number in range(4):
        database.ended(place(f"t{number}"), outcome(source="api", event_ago=None), queue="lost")
        database.ended(place(f"u{number}"), outcome(), queue="fine")
    lost, fine = get(server, "/queues")["queues"]
    assert (lost["queue"], lost["sign"], lost["by"]["api"]) == ("lost", "broken", 4)
    assert "airflow-batch-events doctor" in lost["advice"]
    assert (fine["queue"], fine["sign"], fine["lag"]) == ("fine", "ok", 2.0)


def test_watchers_are_listed_with_their_queues(server: TestClient, database: AirflowDatabase) -> None:
    database.watcher("jobs", "ends", BatchEventTrigger("watched"))
    (row,) = get(server, "/watchers")["rows"]
    assert (row["asset"], row["queue"]) == ("jobs", "watched")


MAX_SECONDS = 1.0
"""Seconds of the API server's processor time, its database included, that the page may take to be loaded."""


def test_the_page_is_loaded_in_a_second_with_a_thousand_open_waits(
    server: TestClient, database: AirflowDatabase
) -> None:
    for number in range(1000):
        database.deferred(place("wait", map_index=number), BatchJobTrigger(f"job-{number}", f"q{number % 3}"))
    for number in range(api.MAX_ENDED):
        database.ended(place("done", map_index=number), outcome(f"job-{number}"), queue=f"q{number % 3}")
    get(server, "/queues")
    took = {}
    for path, params in {"/page.js": {}, "/queues": {}, "/waits": ROWS, "/ended": ROWS, "/watchers": {}}.items():
        began = time.process_time()
        answer = server.get(f"/batch-events{path}", headers={"Authorization": "Bearer admin"}, params=params)
        took[path] = time.process_time() - began
        assert answer.status_code == 200
    shown = ", ".join(f"{path} {seconds:.3f}" for path, seconds in took.items())
    print(f"the page with 1,000 open and {api.MAX_ENDED} ended waits: {sum(took.values()):.3f} s ({shown})")
    assert sum(took.values()) < MAX_SECONDS
    found = get(server, "/queues")
    assert (found["open"], found["is_cut"]) == (1000, False)
    assert [queue["open"] for queue in found["queues"]] == [334, 333, 333]
    assert get(server, "/waits")["total"] == 1000
