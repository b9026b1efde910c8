# SPDX-License-Identifier: Apache-2.0
"""What a wait for many jobs notes while it runs, who goes on with it, and how a killed one ends its jobs."""

from __future__ import annotations

import asyncio
import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import TaskStatesResponse
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import TaskStatesResult, XComResult
from support.emulator_helpers import PLACEMENT, announced_job, first_payload

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.many.items import Item, pack_descriptions, pack_items
from airflow_batch_events.submission.many import JOBS_KEY, descriptions_key, handover_name
from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger
from airflow_batch_events.waiting.many_jobs import unpack_notes

names = (f"trigger-many-{number}" for number in itertools.count(1))


class Supervisor:
    """Keeps the XComs and variables of one task, and says in which state it is."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.variables: dict[str, str] = {}
        self.state = "deferred"

    async def asend(self, message: Any) -> Any:
        await asyncio.sleep(0.01)
        return self.send(message)

    def send(self, message: Any) -> Any:
        name = type(message).__name__
        if name == "SetXCom":
            self.xcoms[message.key] = message.value
        elif name == "GetXCom":
            return XComResult(key=message.key, value=self.xcoms.get(message.key))
        elif name == "PutVariable":
            self.variables[message.key] = message.value
        elif name == "GetTaskStates":
            return TaskStatesResult.from_api_response(TaskStatesResponse(task_states={"r": {"t": self.state}}))
        else:
            raise AssertionError(name)
        return None


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


class Wait:
    """A wait for its own jobs, in triggerers that begin it one after the other."""

    def __init__(self, *commands: str, **settings: Any) -> None:
        self.name = next(names)
        jobs = [announced_job(f"scripted: {one}", "events", name=f"{self.name}-{n}") for n, one in enumerate(commands)]
        self.kwargs = {
            "jobs": pack_descriptions(jobs),
            "total": len(jobs),
            "placement": PLACEMENT,
            "seed": self.name,
            "queue_name": "waits",
            **settings,
        }

    def trigger(self) -> BatchJobsTrigger:
        _, kwargs = BatchJobsTrigger(**self.kwargs).serialize()
        trigger = BatchJobsTrigger(**json.loads(json.dumps(kwargs)))
        trigger.task_instance = SimpleNamespace(id=1, dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]
        return trigger

    def rows(self, cloud: Any) -> list[dict[str, Any]]:
        rows = cloud.call(lambda emulator: emulator.batch.job_rows(limit=1_000))
        return [row for row in rows if row["JobName"].startswith(f"{self.name}-")]


async def begin(cloud: Any, wait: Wait, count: int) -> tuple[BatchJobsTrigger, asyncio.Task[Any]]:
    """Run a trigger until so many of its jobs exist and are noted."""
    trigger = wait.trigger()
    work = asyncio.ensure_future(first_payload(trigger))
    while len(wait.rows(cloud)) < count:  # noqa: ASYNC110 - the cloud is another thread's
        await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)
    return trigger, work


async def cut_off(work: asyncio.Task[Any]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_what_is_fired_tells_of_every_job(cloud, supervisor):
    wait = Wait("outcome=succeed", "outcome=failed")
    payload = await first_payload(wait.trigger())
    assert (payload["status"], payload["total"], payload["stopped"]) == ("ended", 2, None)
    items = unpack_notes(dict(enumerate(payload["notes"])), 2)
    assert [item.state for item in items] == ["SUCCEED", "FAILED"]
    if abilities.HAS_STATE_STORE:
        (left,) = supervisor.variables.values()
        assert json.loads(left) == payload["notes"]


async def test_another_triggerer_goes_on_with_the_same_jobs(cloud, supervisor):
    wait = Wait(*["outcome=succeed duration=3"] * 5, "outcome=succeed", rules={"on_finish_action": "delete_succeeded"})
    _, work = await begin(cloud, wait, 5)
    await cut_off(work)
    before = {row["JobId"] for row in wait.rows(cloud)}
    payload = await first_payload(wait.trigger())
    items = unpack_notes(dict(enumerate(payload["notes"])), 6)
    assert {item.state for item in items} == {"SUCCEED"}
    assert before <= {item.job_id for item in items}
    assert wait.rows(cloud) == []


async def test_what_is_too_large_to_be_carried_is_found_in_xcoms(cloud, supervisor):
    wait = Wait("outcome=succeed", "outcome=succeed")
    name = handover_name(wait.name, 1)
    supervisor.xcoms[descriptions_key(name)] = wait.kwargs.pop("jobs")
    supervisor.xcoms[f"{name}_0"] = pack_items([Item(1, "job-earlier1", "SUCCEED"), Item()])
    payload = await first_payload(wait.trigger())
    items = unpack_notes(dict(enumerate(payload["notes"])), 2)
    assert [item.state for item in items] == ["SUCCEED"] * 2
    assert items[0].job_id == "job-earlier1"
    assert len(wait.rows(cloud)) == 1


async def test_a_killed_wait_ends_its_jobs(cloud, supervisor):
    wait = Wait(*["outcome=hang"] * 3)
    trigger, work = await begin(cloud, wait, 3)
    await cut_off(work)
    supervisor.state = "failed"
    await trigger.on_kill()
    assert {row["JobState"] for row in wait.rows(cloud)} == {"FAILED"}


@pytest.mark.parametrize(("waits_for", "ends"), [(None, False), ("it", False), ("another", True)])
async def test_a_wait_that_has_moved_ends_nothing(cloud, supervisor, waits_for, ends):
    wait = Wait("outcome=hang")
    trigger, work = await begin(cloud, wait, 1)
    await cut_off(work)
    if waits_for is not None:
        supervisor.xcoms[JOBS_KEY] = wait.name if waits_for == "it" else waits_for
    await trigger.on_kill()
    (row,) = wait.rows(cloud)
    assert (row["JobState"] == "FAILED") is ends


async def test_jobs_run_on_where_they_shall(cloud, supervisor):
    wait = Wait("outcome=hang", cancel_on_kill=False)
    trigger, work = await begin(cloud, wait, 1)
    await cut_off(work)
    supervisor.state = "failed"
    await trigger.on_kill()
    (row,) = wait.rows(cloud)
    assert row["JobState"] == "RUNNING"


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"jobs": "x"}, "packed descriptions"),
        ({"jobs": None}, "packed descriptions"),
        ({"total": "many"}, "total is"),
        ({"placement": None}, "placement is"),
        ({"rules": {"max_active": "x"}}, "rules cannot be read"),
        ({"notes": ["x"]}, "cannot be understood"),
        ({"seed": ""}, "seed is"),
        ({"queue_name": "nowhere"}, "nowhere"),
    ],
)
async def test_what_makes_no_sense_ends_this_wait_only(cloud, supervisor, stored, message):
    wait = Wait("outcome=succeed")
    wait.kwargs |= stored
    payload = await first_payload(wait.trigger())
    assert payload["status"] == "error"
    assert message in payload["message"]
