# SPDX-License-Identifier: Apache-2.0
"""Event triggers that read by themselves in a triggerer, as they do where Airflow has no shared streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.emulator_helpers import address_of
from support.triggerer import Triggerer, set_join_grace, settle_soon

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers import late_settler
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from tencent_batch_emulator.emulator import Emulator

DEEP: Any = 1
for _ in range(100):
    DEEP = [DEEP]


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted", seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
        # An Airflow without streams has no on_kill either.
        monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", False)
        set_join_grace(monkeypatch, 0.0)
        settle_soon(monkeypatch)
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_queue("q", tdmq.QueueSettings(visibility_timeout=5)))
        yield emulator


async def send(emulator: Emulator, job_id: str, name: str = "JOB_SUCCEED", **more: Any) -> None:
    event = {"EventName": name, "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": job_id, **more}}
    await emulator.broker.send("q", [json.dumps({"Events": [event]})])


def left(emulator: Emulator) -> int:
    return sum(1 for _ in emulator.broker.queues.get("q").peek())


def ids(payloads: list[dict[str, Any]]) -> list[str]:
    return sorted(payload["job_id"] for payload in payloads)


async def receive_again(emulator: Emulator, triggerer: Triggerer) -> None:
    """Let what was received but not deleted become visible, and be received."""
    before = emulator.requests.count("BatchReceiveMessage")
    emulator.clock.advance(6)
    await triggerer.until(lambda: emulator.requests.count("BatchReceiveMessage") > before + 2)


async def test_all_watchers_of_a_queue_share_one_reader(emulator: Emulator) -> None:
    async with Triggerer(has_streams=False) as triggerer:
        fired = [triggerer.run(BatchEventTrigger("q")) for _ in range(20)]
        await asyncio.sleep(4)
        assert emulator.requests.count("BatchReceiveMessage") <= 3
        await send(emulator, "job-1")
        await triggerer.until(lambda: all(fired) and left(emulator) == 0)
    assert [ids(payloads) for payloads in fired] == [["job-1"]] * 20


async def test_a_message_that_comes_back_does_not_fire_again(emulator: Emulator) -> None:
    async with Triggerer(stores=False, has_streams=False) as triggerer:
        fired = triggerer.run(BatchEventTrigger("q"))
        await send(emulator, "job-1")
        await triggerer.until(lambda: ids(fired) == ["job-1"])
        for _ in range(3):
            await receive_again(emulator, triggerer)
        assert left(emulator) == 1
        triggerer.store()
        await triggerer.until(lambda: left(emulator) == 0)
    assert ids(fired) == ["job-1"]


async def test_a_stopped_watcher_leaves_what_it_has_just_fired(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The supervisor would say that it is stored, and is not asked so soon.
    monkeypatch.setattr(late_settler, "LEAVES_WITHIN", 60.0)
    async with Triggerer(has_streams=False) as triggerer:
        first = triggerer.run(BatchEventTrigger("q"))
        await send(emulator, "job-1")
        await triggerer.until(lambda: ids(first) == ["job-1"])
    assert left(emulator) == 1
    emulator.clock.advance(6)
    async with Triggerer(has_streams=False) as triggerer:
        second = triggerer.run(BatchEventTrigger("q"))
        await triggerer.until(lambda: ids(second) == ["job-1"])
    assert first[0]["event_id"] == second[0]["event_id"]


async def test_an_event_that_airflow_has_not_taken_is_left(emulator: Emulator) -> None:
    await send(emulator, "job-1")
    async with Triggerer(has_streams=False):
        trigger = BatchEventTrigger("q")
        trigger.trigger_id = 1
        events = trigger.run()
        await asyncio.wait_for(anext(events), 20)
        # Cancelled here, Airflow forgets the event.
        await events.aclose()  # type: ignore[attr-defined]
    assert left(emulator) == 1


async def test_what_nobody_wants_goes_and_what_cannot_fire_stays(emulator: Emulator) -> None:
    async with Triggerer(has_streams=False) as triggerer:
        failed = triggerer.run(BatchEventTrigger("q", ["JOB_FAILED"]))
        succeeded = triggerer.run(BatchEventTrigger("q", ["JOB_SUCCEED"]))
        await send(emulator, "job-1", "JOB_CREATED")
        await triggerer.until(lambda: left(emulator) == 0)
        await send(emulator, "job-2", "JOB_FAILED", x=DEEP)
        await send(emulator, "job-3")
        await triggerer.until(lambda: ids(succeeded) == ["job-3"] and left(emulator) == 1)
        await receive_again(emulator, triggerer)
    assert failed == []
    assert left(emulator) == 1


async def test_a_full_watcher_goes_on_when_its_events_are_stored(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batch_events.triggers.without_stream.MAX_HELD", 5)
    for number in range(40):
        await send(emulator, f"job-{number}")
    async with Triggerer(has_streams=False) as triggerer:
        fired = triggerer.run(BatchEventTrigger("q"))

        def is_over() -> bool:
            emulator.clock.advance(0.1)
            return left(emulator) == 0

        await triggerer.until(is_over)
    assert ids(fired) == sorted(f"job-{number}" for number in range(40))


@pytest.mark.parametrize(
    ("trigger", "key"),
    [(BatchEventTrigger("q", ["JOB_FAILED"]), "job_id"), (CmqMessageTrigger("q"), "message_id")],
    ids=["events", "messages"],
)
async def test_a_message_is_deleted_once_its_task_has_gone_on(emulator: Emulator, trigger: Any, key: str) -> None:
    # What is held until its task can have it must not come back meanwhile.
    async with AsyncSdkClient(address_of(emulator).access()) as client:
        await client.send(tdmq.modify_queue("q", tdmq.QueueSettings(visibility_timeout=60)))
    await send(emulator, "job-1", "JOB_FAILED")
    await send(emulator, "job-2", "JOB_FAILED")
    taken = []
    for is_stored, expected in ((False, 2), (True, 1), (True, 0)):
        async with Triggerer(stores=is_stored, has_streams=False) as triggerer:
            fired = triggerer.run(trigger, for_task=True)
            await triggerer.until(lambda fired=fired: fired)
            await triggerer.end()
        taken.append(fired[0][key])
        assert left(emulator) == expected
        emulator.clock.advance(61)
    assert len(set(taken[1:])) == 2
