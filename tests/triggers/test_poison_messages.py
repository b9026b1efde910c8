# SPDX-License-Identifier: Apache-2.0
"""A message that Airflow cannot carry is left to the dead-letter policy, and everything else goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job, first_payload
from support.triggerer import Triggerer, set_join_grace, settle_soon

from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.text import printable
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.waiting.storable import MAX_SIZE, fire
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

DEEP: Any = 1
for _ in range(100):
    DEEP = [DEEP]


def event(job_id: str, name: str = "JOB_SUCCEED", **more: Any) -> dict[str, Any]:
    return {"EventName": name, "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": job_id, **more}}


def body(*events: dict[str, Any]) -> str:
    return json.dumps({"Events": list(events)})


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        set_join_grace(monkeypatch, 0.0)
        settle_soon(monkeypatch)
        monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_queue("q", tdmq.QueueSettings(visibility_timeout=5)))
        yield emulator


def left(emulator: Emulator) -> int:
    return sum(1 for _ in emulator.broker.queues.get("q").peek())


def ids(payloads: list[dict[str, Any]]) -> list[str]:
    return [payload["job_id"] for payload in payloads]


async def test_a_watcher_warns_once_of_what_it_cannot_fire(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Triggerer() as triggerer:
        fired = triggerer.run(BatchEventTrigger("q", ["JOB_SUCCEED"]))
        await emulator.broker.send("q", [body(event("job-1", x=DEEP)), body(event("job-2"))])
        await triggerer.until(lambda: ids(fired) == ["job-2"] and left(emulator) == 1)
        for _ in range(2):
            before = emulator.requests.count("BatchReceiveMessage")
            emulator.clock.advance(6)
            await triggerer.until(lambda before=before: emulator.requests.count("BatchReceiveMessage") > before + 2)
        await emulator.broker.send("q", [body(event("job-3"))])
        await triggerer.until(lambda: ids(fired) == ["job-2", "job-3"] and left(emulator) == 1)
    assert capsys.readouterr().out.count("cannot be fired") == 1


async def test_good_events_beside_a_bad_one_fire_once(emulator: Emulator) -> None:
    async with Triggerer() as triggerer:
        fired = triggerer.run(BatchEventTrigger("q"))
        await emulator.broker.send("q", [body(event("job-1"), event("job-2", x=DEEP), event("job-3"))])
        await triggerer.until(lambda: len(fired) == 2)
        emulator.clock.advance(6)
        await emulator.broker.send("q", [body(event("job-4"))])
        await triggerer.until(lambda: len(fired) == 3 and left(emulator) == 1)
    assert ids(fired) == ["job-1", "job-3", "job-4"]


async def test_a_deferred_task_passes_by_what_cannot_be_fired(emulator: Emulator) -> None:
    await emulator.broker.send("q", [body(event("job-1", x=DEEP)), body(event("job-2", x=2**70))])
    async with Triggerer() as triggerer:
        fired = triggerer.run(CmqMessageTrigger("q"), for_task=True)
        await triggerer.until(lambda: fired)
    assert fired[0]["events"][0]["batch"]["x"] == str(2**70)
    assert left(emulator) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [("a\0b", "a\ufffdb"), ("x" * MAX_SIZE, None)], ids=["storable", "too large"]
)
async def test_an_outcome_survives_what_its_event_contains(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, value: str, expected: str | None
) -> None:
    async with AsyncSdkClient(address_of(emulator).access()) as client:
        await client.send(tdmq.create_topic("t"))
        job = announced_job("scripted: outcome=failed", "t")
        job_id = await client.send(batch.submit_job(job, PLACEMENT))
    trigger = BatchJobTrigger(job_id)
    outcome = (await first_payload(trigger))["outcomes"][0]

    async def wait() -> list[Any]:
        return [SimpleNamespace(to_dict=lambda: {**outcome, "event_vars": {"k": value}})]

    monkeypatch.setattr(trigger, "_wait", wait)
    again = (await first_payload(trigger))["outcomes"][0]
    assert again == {**outcome, "event_vars": {} if expected is None else {"k": expected}}


async def test_a_wait_for_what_can_never_be_fired_is_an_error(emulator: Emulator) -> None:
    """A trigger's constructor takes it all: an id of any length, which another version has stored."""
    payload = await first_payload(BatchJobTrigger("j" * (MAX_SIZE + 1)))
    assert (payload["status"], payload["error"]) == ("error", "ParameterError")


def test_deliveries_of_a_left_message_are_counted_not_read() -> None:
    metrics, tried, said = Counts(), [], []
    messages = PoisonMessages(SimpleNamespace(warning=lambda *args: said.append(args)), metrics)

    def make(item: str) -> Any:
        tried.append(item)
        return fire({item: object() if item == "secret" else DEEP})

    for _ in range(3):
        message: Any = SimpleNamespace(message_id="m")
        assert messages.firing(message, ["secret", "b"], make) == []
    assert tried == ["secret", "b"]
    assert metrics.counters["events.unstorable"] == 4
    assert len(said) == 1
    assert "secret" not in str(said)


def test_what_others_have_named_is_shown_as_text_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x9b31m\x07\r\n::group::\u202e"
    said: list[str] = []
    log = SimpleNamespace(warning=lambda text, *args: said.append(text % args))
    PoisonMessages(log, Counts()).add(hostile, ValueError())
    assert said == [printable(line) for line in said]
    BatchJobTrigger("job-1", "q", **{hostile: 1}).note_unknown()
    (line,) = capsys.readouterr().out.splitlines()
    assert line == printable(line)
