# SPDX-License-Identifier: Apache-2.0
"""A wait for events in the triggerer; the sensor that defers to it is tested in ``tests/sensors``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.emulator_helpers import address_of, first_payload
from support.triggerer import Triggerer

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.event_wait import BatchEventWaitTrigger, until_done
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

DEEP: Any = 1
for _ in range(100):
    DEEP = [DEEP]


def event(job_id: str, **more: Any) -> dict[str, Any]:
    return {"EventName": "JOB_SUCCEED", "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": job_id, **more}}


def body(*events: dict[str, Any]) -> str:
    return json.dumps({"Events": list(events)})


def ids(payload: dict[str, Any]) -> list[str]:
    return sorted(found["job_id"] for found in payload["events"])


def left(emulator: Emulator) -> int:
    return sum(1 for _ in emulator.broker.queues.get("q").peek())


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_queue("q", tdmq.QueueSettings(visibility_timeout=5)))
        yield emulator


async def test_the_wait_is_over_after_so_many_different_events(emulator: Emulator) -> None:
    await emulator.broker.send("q", [body(event("job-1")), body(event("job-1")), body(event("job-2"))])
    payload = await first_payload(BatchEventWaitTrigger("q", {}, 2, timeout=20))
    assert (payload["status"], payload["source"], ids(payload)) == ("ended", "event", ["job-1", "job-2"])


async def test_a_wait_that_timed_out_reports_and_leaves_what_came(emulator: Emulator) -> None:
    await emulator.broker.send("q", [body(event("job-1"))])
    for timeout in (1, 10, 60):
        payload = await first_payload(BatchEventWaitTrigger("q", {}, 2, timeout=timeout))
        # A slow machine needs longer than the first for its first message.
        if payload["events"]:
            break
    assert (payload["status"], payload["source"], ids(payload)) == ("timeout", "deadline", ["job-1"])
    assert left(emulator) == 1


async def test_what_was_counted_is_deleted_once_it_is_stored(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a trigger asks then is asked in another way where Airflow calls on_kill; ``test_watchers.py`` sees that.
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", False)
    await emulator.broker.send("q", [body(event("job-1")), body(event("job-2"))])
    for is_stored, expected in ((False, 2), (True, 0)):
        async with Triggerer(stores=is_stored, has_streams=False) as triggerer:
            fired = triggerer.run(BatchEventWaitTrigger("q", {}, 2, timeout=60), for_task=True)
            await triggerer.until(lambda fired=fired: fired)
            assert left(emulator) == 2
            await triggerer.end()
        assert ids(fired[0]) == ["job-1", "job-2"]
        assert left(emulator) == expected
        emulator.clock.advance(6)


async def test_what_is_not_understood_ends_the_wait_with_an_error(emulator: Emulator) -> None:
    payload = await first_payload(BatchEventWaitTrigger("q", {"later": "x"}))
    assert (payload["status"], payload["error"]) == ("error", "ConfigurationError")


async def test_nothing_is_done_when_the_deadline_has_passed() -> None:
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    began = asyncio.get_running_loop().time()
    assert await until_done([wait], Deadline(0.0, None), began, CloudClock()) == set()
    wait.set_result(None)
    assert await until_done([wait], Deadline(None, None), began, CloudClock()) == {wait}


async def test_an_event_that_cannot_be_stored_is_not_counted(emulator: Emulator) -> None:
    await emulator.broker.send("q", [body(event("job-1", x=DEEP)), body(event("job-2")), body(event("job-3", x=2**70))])
    payload = await first_payload(BatchEventWaitTrigger("q", {"job_name": None}, 2, timeout=20))
    assert ids(payload) == ["job-2", "job-3"]


async def test_events_too_large_together_keep_names_and_ids(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batch_events.waiting.storable.MAX_SIZE", 3_000)
    await emulator.broker.send("q", [body(event(f"job-{number}", x="x" * 1_000)) for number in range(3)])
    payload = await first_payload(BatchEventWaitTrigger("q", {}, 3, timeout=20))
    assert ids(payload) == ["job-0", "job-1", "job-2"]
    assert [(found["event_name"], found["batch"]) for found in payload["events"]] == [("JOB_SUCCEED", {})] * 3
