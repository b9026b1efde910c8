# SPDX-License-Identifier: Apache-2.0
"""
What earlier versions have stored in Airflow's database, read by this one: triggers, and what they have fired.

The files below ``tests/stored`` are never changed; a version adds a folder when what it stores has changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import TaskSuccessEvent
from support.airflow_names import import_string
from support.emulator_helpers import PLACEMENT, address_of, announced_job, first_fired

from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout
from airflow_batch_events.events.environment import EnvOutcome
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import BatchJobNotFoundError, BatchJobTimeoutError, ConfigurationError
from airflow_batch_events.operators.batch import BatchSubmitJobsOperator
from airflow_batch_events.operators.compute_env import BatchDeleteComputeEnvOperator
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.many import JOBS_KEY, chunk_key
from airflow_batch_events.waiting.many_jobs import JobsRecord, unpack_notes
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

STORED = Path(__file__).parents[1] / "stored"
VERSIONS = sorted(path.parent.name for path in STORED.glob("*/triggers.json"))
WITH_MANY = sorted(path.parent.name for path in STORED.glob("*/many_jobs.json"))
QUEUE = "airflow-batch-events"
"""The queue that the stored triggers name."""


def read(version: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((STORED / version / f"{name}.json").read_text())
    return content


class Cloud:
    """An emulator with the stored triggers' queue."""

    def __init__(self, emulator: Emulator, client: AsyncSdkClient) -> None:
        self.emulator = emulator
        self.client = client

    async def submit(self) -> str:
        job = announced_job("scripted: duration=1", "t")
        return await self.client.send(batch.submit_job(job, PLACEMENT))

    async def create_env(self) -> str:
        env = {
            "EnvName": "stored",
            "DesiredComputeNodeCount": 1,
            "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
        }
        return await self.client.send(batch.create_compute_env(env, PLACEMENT))


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_topic("t"))
            await client.send(tdmq.create_queue(QUEUE))
            await client.send(tdmq.create_subscription("t", "s", QUEUE))
            yield Cloud(emulator, client)


def remade(stored: dict[str, Any], **present: Any) -> Any:
    """Make a stored trigger as the triggerer does: through Airflow's row, with the ids and moments of this test."""
    kwargs = {name: present.get(name, value) for name, value in stored["kwargs"].items()}
    row = Trigger(stored["classpath"], kwargs)
    trigger = import_string(row.classpath)(**row.kwargs)
    trigger.trigger_id = 1
    trigger.timeout_after = None
    assert trigger.serialize()
    return trigger


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The XComs that triggers have pushed."""
    xcoms: dict[str, Any] = {}

    async def aset(*, key: str, value: Any, **_: Any) -> None:
        xcoms[key] = value

    monkeypatch.setattr(XCom, "aset", aset, raising=False)
    return xcoms


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name",
    ["job: submitted, with deadlines", "job: ends here", "jobs: a list that ends here", "job: begins here"],
)
async def test_a_stored_wait_for_jobs_runs_to_its_right_end(
    cloud: Cloud, pushed: dict[str, Any], version: str, name: str
) -> None:
    stored = read(version, "triggers")[name]
    of_one = isinstance(stored["kwargs"]["job_id"], str)
    jobs = [await cloud.submit() for _ in range(1 if of_one else len(stored["kwargs"]["job_id"]))]
    soon = time.time() + 600
    trigger = remade(stored, job_id=jobs[0] if of_one else jobs, deadline=soon, start_deadline=soon)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, id="1")

    event = await first_fired(trigger, 30)

    if stored["kwargs"].get("end"):
        assert isinstance(event, TaskSuccessEvent)
        result = pushed["return_value"]
        outcomes = result if isinstance(result, list) else [result]
        assert isinstance(result, list) == bool(stored["kwargs"]["end"].get("is_list"))
    else:
        outcomes = event.payload["outcomes"]
    assert [(outcome["job_id"], outcome["state"]) for outcome in outcomes] == [(job_id, "SUCCEED") for job_id in jobs]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stored_deadline_that_both_clocks_passed_ends_it(cloud: Cloud, version: str) -> None:
    stored = read(version, "triggers")["job: submitted, with deadlines"]
    job_id = await cloud.client.send(batch.submit_job(announced_job("scripted: outcome=hang", "t"), PLACEMENT))
    now = time.time()

    event = await first_fired(
        remade(stored, job_id=[job_id], deadline=now + 1, start_deadline=None, not_before=now), 30
    )

    assert event.payload["outcomes"][0]["state"] == "TIMEOUT"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stored_wait_for_events_runs_to_its_right_end(cloud: Cloud, version: str) -> None:
    stored = read(version, "triggers")["events: one of a job"]
    job_id = await cloud.submit()
    wanted = {**stored["kwargs"]["wanted"], "job_id": job_id}

    event = await first_fired(remade(stored, wanted=wanted, deadline=time.time() + 600), 30)

    assert event.payload["status"] == "ended"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["watcher", "messages"])
async def test_a_stored_watcher_fires(cloud: Cloud, version: str, name: str) -> None:
    stored = read(version, "triggers")[name]
    body = {
        "Events": [
            {
                "EventName": "JOB_SUCCEED",
                "Batch": {"JobId": "job-1"},
                "EventVars": [{"Name": "team", "Value": "a"}],
            }
        ]
    }
    await cloud.emulator.broker.send(QUEUE, [json.dumps(body)])

    event = await first_fired(remade(stored), 30)

    assert "job-1" in json.dumps(event.payload)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "state"), [("nodes", "READY"), ("removal", "GONE")])
async def test_a_stored_wait_for_an_environment_runs_to_its_right_end(
    cloud: Cloud, version: str, name: str, state: str
) -> None:
    stored = read(version, "triggers")[name]
    env_id = await cloud.create_env()

    event = await first_fired(remade(stored, env_id=env_id, deadline=time.time() + 600, poll_interval=0.2), 30)

    assert event.payload["outcome"]["state"] == state


@pytest.mark.parametrize("version", WITH_MANY)
async def test_a_stored_wait_for_many_jobs_runs_to_its_right_end(cloud: Cloud, version: str) -> None:
    trigger = remade(read(version, "many_jobs")["trigger"], deadline=time.time() + 600)

    event = await first_fired(trigger, 30)

    assert (event.payload["status"], event.payload["stopped"]) == ("ended", None)
    items = unpack_notes(dict(enumerate(event.payload["notes"])), 3)
    assert [item.state for item in items] == ["SUCCEED"] * 3
    # The first had succeeded, the second had failed once.
    assert (items[0].job_id, items[1].number) == ("job-0lderrun", 2)


@pytest.mark.parametrize("version", WITH_MANY)
def test_a_stored_payload_of_many_jobs_ends_its_task_rightly(cloud_connection: None, version: str) -> None:
    stored = read(version, "many_jobs")
    context: Any = {
        "ti": SimpleNamespace(dag_id="d", task_id="t", map_index=-1),
        "task_state_store": None,
        "outlet_events": {},
    }

    def task() -> BatchSubmitJobsOperator:
        return BatchSubmitJobsOperator(task_id="t", jobs=[], placement=PLACEMENT, max_failures=1)

    outcomes = task().execute_complete(context, {**stored["payload"], "later": {"a": 1}})
    assert [one["state"] for one in outcomes] == ["SUCCEED", "SUCCEED", "FAILED"]
    with pytest.raises(ConfigurationError, match="no such queue"):
        task().execute_complete(context, stored["error"])


@pytest.mark.parametrize("version", WITH_MANY)
def test_what_a_try_has_noted_of_many_jobs_is_gone_on_with(version: str) -> None:
    stored = read(version, "many_jobs")
    notes = {chunk_key(chunk): text for chunk, text in enumerate(stored["chunks"])} | {JOBS_KEY: stored["record"]}
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=2, max_tries=2)
    record = JobsRecord({"ti": ti, "task_state_store": SimpleNamespace(get=notes.get)})
    here = Identity("ap-guangzhou", "", "AKID1", "100")

    digest = stored["record"]["digest"]
    begun, items = record.plan(digest, 3, lambda earlier: here, on_changed="fail", were_ended=True)

    assert (begun.generation, begun.waits) == (1, 2)
    assert [item.state for item in items] == ["SUCCEED", "SUCCEED", None]
    assert (items[2].number, items[2].job_id) == (2, None)


def job_sensor(job_id: Any) -> BatchJobSensor:
    return BatchJobSensor(task_id="t", job_id=job_id)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("job: ended", None),
        ("jobs: ended", None),
        ("job: timeout", (AirflowSensorTimeout, BatchJobTimeoutError)),
        ("job: not found", BatchJobNotFoundError),
        ("job: error", ConfigurationError),
        ("events: ended", None),
        ("events: timeout", AirflowSensorTimeout),
        ("removal: ended", None),
    ],
)
@pytest.mark.usefixtures("cloud_connection")
def test_a_stored_payload_ends_its_task_rightly(version: str, name: str, error: Any) -> None:
    """The worker reads what a triggerer of that version has fired; fields of a later one change nothing."""
    payload = read(version, "payloads")[name]
    kind = name.partition(":")[0]
    made: dict[str, Callable[[], Any]] = {
        "job": lambda: job_sensor("job-1"),
        "jobs": lambda: job_sensor(["job-1", "job-2"]),
        "events": lambda: BatchEventSensor(task_id="t", queue_name=QUEUE),
        "removal": lambda: BatchDeleteComputeEnvOperator(task_id="t", env_id="env-00000000"),
    }
    for later in ({}, {"later": {"a": 1}}):
        present = {**payload, **later}
        if "outcomes" in payload:
            present["outcomes"] = [{**outcome, **later} for outcome in payload["outcomes"]]
        task = made[kind]()
        if error is None:
            result = task.execute_complete(
                {"ti": SimpleNamespace(dag_id="d", task_id="t", map_index=-1)}, event=present
            )
            assert isinstance(result, list) == (kind in ("jobs", "events"))
        else:
            with pytest.raises(error):
                task.execute_complete({"ti": SimpleNamespace(dag_id="d", task_id="t", map_index=-1)}, event=present)


@pytest.fixture
def cloud_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that names a region, and that nothing here uses."""
    connection = {"conn_type": "tencentcloud", "login": "a", "password": "b", "extra": {"region": "ap-guangzhou"}}
    monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("version", VERSIONS)
def test_stored_outcomes_are_read_back_as_they_were(version: str) -> None:
    for payload in read(version, "payloads").values():
        for outcome in payload.get("outcomes", []):
            assert Outcome.from_dict(outcome).to_dict() == as_now(outcome)
        if "outcome" in payload:
            assert EnvOutcome.from_dict(payload["outcome"]).to_dict() == payload["outcome"]


def as_now(outcome: dict[str, Any]) -> dict[str, Any]:
    # Version 0.1.0 called a poll a look.
    added = dict.fromkeys(["failure", "queued_seconds", "running_seconds", "instances"])
    return {**added, **outcome, "source": outcome["source"].replace("look", "api")}
