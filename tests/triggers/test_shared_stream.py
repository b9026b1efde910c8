# SPDX-License-Identifier: Apache-2.0
"""
Event triggers, on an emulated cloud whose jobs and environments really change.

They run in Airflow's own shared streams, and where it has none, each by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job
from support.triggerer import Triggerer, set_join_grace, settle_soon

from airflow_batch_events.airflow_compat.abilities import HAS_SHARED_STREAMS
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS, JOB_EVENTS, EventName
from airflow_batch_events.events.notifications import build_notifications
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from airflow_batch_events.triggers.shared_stream import QueueProducer, StreamItem
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

REWINDABLE = tdmq.QueueSettings(visibility_timeout=5).with_rewind(86_400)


class Cloud:
    """An emulator with a topic and a queue that can be rewound."""

    def __init__(self, emulator: Emulator, client: AsyncSdkClient) -> None:
        self.emulator = emulator
        self.client = client

    async def submit(self, command="scripted: outcome=succeed", *, failed_action="TERMINATE", **settings):
        job = announced_job(
            command, "events", name="watched", events=JOB_EVENTS, failed_action=failed_action, **settings
        )
        return await self.client.send(batch.submit_job(job, PLACEMENT))

    async def create_env(self, nodes, **env_data):
        env = {
            "EnvName": "watched",
            "DesiredComputeNodeCount": nodes,
            "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **env_data},
            "Notifications": build_notifications("events", COMPUTE_ENV_EVENTS, allowed=COMPUTE_ENV_EVENTS),
            "NotificationTarget": "TDMQ_CMQ",
        }
        return await self.client.send(batch.create_compute_env(env, PLACEMENT))

    async def delete_env(self, env_id):
        while (await self.client.send(batch.describe_compute_env(env_id))).nodes:  # noqa: ASYNC110 - it is in a port
            await asyncio.sleep(0.05)
        await self.client.send(batch.delete_compute_env(env_id))

    def publish(self, name, job_id):
        event = {"EventName": name, "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": job_id}}
        return self.emulator.broker.publish("events", json.dumps({"Events": [event]}))

    @property
    def left(self):
        return sum(1 for _ in self.emulator.broker.queues.get("watched").peek())


@pytest.fixture
async def cloud(monkeypatch):
    async with Emulator(runner="scripted", delays=Delays.none(node_lost=0.2), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        # All watchers of these tests join at once.
        set_join_grace(monkeypatch, 0.0)
        settle_soon(monkeypatch)
        monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "0")
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_topic("events"))
            await client.send(tdmq.create_queue("watched", REWINDABLE))
            await client.send(tdmq.create_subscription("events", "s", "watched"))
            yield Cloud(emulator, client)


def ids(payloads):
    return sorted(payload["job_id"] for payload in payloads)


async def test_each_of_the_nineteen_events_reaches_its_watcher(cloud):
    async with Triggerer() as triggerer:
        fired = {name: triggerer.run(BatchEventTrigger("watched", [name.value])) for name in EventName}
        await triggerer.until(lambda: cloud.emulator.requests.count("BatchReceiveMessage") > 0)
        await cloud.submit("scripted: outcome=succeed")
        await cloud.submit("scripted: outcome=failed")
        await cloud.submit("scripted: outcome=failed", failed_action="INTERRUPT")
        await cloud.submit(image="img-badimage")
        await cloud.submit("scripted: outcome=hang", instance_type="NODELOST")
        env_id = await cloud.create_env(1)
        await triggerer.until(lambda: has_happened(fired, EventName.COMPUTE_NODE_RUNNING, env_id))
        await cloud.client.send(batch.modify_compute_env(env_id, desired_node_count=0))
        await triggerer.until(lambda: has_happened(fired, EventName.COMPUTE_NODE_DELETING, env_id))
        await cloud.delete_env(env_id)
        await triggerer.until(lambda: all(fired.values()))
        await triggerer.until(lambda: cloud.left == 0)
    assert {name: {payload["event_name"] for payload in payloads} for name, payloads in fired.items()} == {
        name: {name.value} for name in EventName
    }


def has_happened(fired, name, env_id):
    return any(payload["batch"].get("EnvId") == env_id for payload in fired[name])


async def test_a_rewound_queue_starts_nothing_a_second_time(cloud):
    async with Triggerer() as triggerer:
        ended = triggerer.run(BatchEventTrigger("watched", ["JOB_SUCCEED", "JOB_FAILED"]))
        failed = triggerer.run(BatchEventTrigger("watched", ["JOB_FAILED"]))
        jobs = [await cloud.submit("scripted: outcome=failed") for _ in range(5)]
        await triggerer.until(lambda: ids(ended) == ids(failed) == sorted(jobs) and cloud.left == 0)
        for _ in range(2):
            rewind = await asyncio.to_thread(CmqHook().rewind_queue, "watched", "-1h")
            assert rewind.kept > 0
            assert cloud.left > 0
            await triggerer.until(lambda: cloud.left == 0)
        after = await cloud.submit()
        await triggerer.until(lambda: after in ids(ended))
    assert ids(ended) == sorted([*jobs, after])
    assert ids(failed) == sorted(jobs)


async def test_a_rewound_event_from_before_a_retry_ends_nothing(cloud):
    job_id = await cloud.submit("scripted: fail_first=1 duration=30")
    first = asyncio.ensure_future(outcome_of(job_id))
    await asyncio.sleep(1)
    cloud.emulator.clock.advance(31)
    assert (await first)["state"] == "FAILED"
    await cloud.client.send(batch.retry_jobs([job_id]))
    second = asyncio.ensure_future(outcome_of(job_id))
    await asyncio.sleep(1)
    assert (await asyncio.to_thread(CmqHook().rewind_queue, "watched", "-1h")).kept > 0
    await asyncio.sleep(2)
    assert not second.done()
    cloud.emulator.clock.advance(31)
    assert (await second)["state"] == "SUCCEED"


async def outcome_of(job_id):
    """Wait for a job as a deferred task does."""
    events = BatchJobTrigger(job_id, "watched").run()
    try:
        return (await asyncio.wait_for(events.__anext__(), 30)).payload["outcomes"][0]
    finally:
        await events.aclose()


async def test_rewound_events_keep_their_ids_after_a_restart(cloud):
    async with Triggerer() as triggerer:
        before = triggerer.run(BatchEventTrigger("watched", ["JOB_SUCCEED"]))
        jobs = [await cloud.submit() for _ in range(3)]
        await triggerer.until(lambda: ids(before) == sorted(jobs) and cloud.left == 0)
    await asyncio.to_thread(CmqHook().rewind_queue, "watched", "-1h")
    async with Triggerer() as triggerer:
        again = triggerer.run(BatchEventTrigger("watched", ["JOB_SUCCEED"]))
        await triggerer.until(lambda: ids(again) == sorted(jobs))
    event_ids = {payload["event_id"] for payload in before}
    assert len(event_ids) == 3
    assert {payload["event_id"] for payload in again} == event_ids


async def test_a_fired_message_is_deleted_once_airflow_stored_it(cloud):
    async with Triggerer(stores=False) as triggerer:
        fired = triggerer.run(BatchEventTrigger("watched", ["JOB_SUCCEED"]))
        await cloud.publish("JOB_SUCCEED", "job-1")
        await triggerer.until(lambda: ids(fired) == ["job-1"])
        await asyncio.sleep(0.5)
        assert cloud.left == 1
        triggerer.store()
        # The watcher moves past the message when it asks for the next one.
        await triggerer.until(lambda: cloud.left == 0)


async def test_an_early_message_comes_back_for_late_watchers(cloud, monkeypatch):
    set_join_grace(monkeypatch, 3.0)
    async with Triggerer() as triggerer:
        early = triggerer.run(BatchEventTrigger("watched"))
        await cloud.publish("JOB_SUCCEED", "job-1")
        await triggerer.until(lambda: ids(early) == ["job-1"])
        late = triggerer.run(BatchEventTrigger("watched"))
        await triggerer.until(lambda: ids(late) == ["job-1"] and cloud.left == 0)
    assert ids(early) == ["job-1"]


TASKS = [(BatchEventTrigger("watched", ["JOB_FAILED"]), "job_id"), (CmqMessageTrigger("watched"), "message_id")]


@pytest.mark.parametrize(("trigger", "key"), TASKS, ids=["events", "messages"])
async def test_a_deferred_task_takes_one_message_of_several(cloud, monkeypatch, trigger, key):
    set_join_grace(monkeypatch, 30.0)
    for number in (1, 2, 3):
        await cloud.publish("JOB_FAILED", f"job-{number}")
    taken = [await defer(cloud, trigger) for _ in range(3)]
    assert len({payload[key] for payload in taken}) == 3
    assert cloud.left == 0


async def test_a_task_whose_result_was_lost_gets_its_message_again(cloud):
    await cloud.publish("JOB_FAILED", "job-1")
    trigger = BatchEventTrigger("watched", ["JOB_FAILED"])
    taken = [await defer(cloud, trigger, is_stored=is_stored) for is_stored in (False, False, True)]
    assert ids(taken) == ["job-1", "job-1", "job-1"]
    assert cloud.left == 0


async def test_a_deferred_task_leaves_events_that_it_does_not_wait_for(cloud):
    await cloud.publish("JOB_SUCCEED", "job-1")
    await cloud.publish("JOB_FAILED", "job-2")
    taken = await defer(cloud, BatchEventTrigger("watched", ["JOB_FAILED"]))
    assert taken["job_id"] == "job-2"
    assert cloud.left == 1


async def test_a_triggerer_that_is_restarted_often_misses_nothing(cloud):
    numbers = itertools.count(1)
    covered = set()
    for enough in (10, 10, 60):
        for _ in range(20):
            await cloud.publish("JOB_SUCCEED", f"job-{next(numbers)}")
        covered |= await watch(cloud, enough, covered)
    assert len(covered) == 60


async def defer(cloud, trigger, *, is_stored=True):
    """Let a task wait for one message, and return what it got."""
    # What is held until its task can have it must not come back meanwhile.
    await cloud.client.send(tdmq.modify_queue("watched", tdmq.QueueSettings(visibility_timeout=60)))
    async with Triggerer(stores=is_stored) as triggerer:
        fired = triggerer.run(trigger, for_task=True)
        await triggerer.until(lambda: fired)
        await triggerer.end()
    (payload,) = fired
    # What was received but not deleted becomes visible again.
    cloud.emulator.clock.advance(61)
    return payload


async def watch(cloud, enough, known):
    """Watch until so many different jobs are known, and return those that came now."""
    cloud.emulator.clock.advance(6)
    async with Triggerer() as triggerer:
        fired = triggerer.run(BatchEventTrigger("watched"))
        await triggerer.until(lambda: len(known | set(ids(fired))) >= enough)
    return set(ids(fired))


# What an item that was rejected or failed becomes.


class Settling:
    """The subscriber of a stream, which keeps what was settled."""

    def __init__(self) -> None:
        self.settled: list[tuple[Any, bool]] = []

    def settle(self, delivery: Any, *, is_stored: bool) -> None:
        self.settled.append((delivery, is_stored))


def producer(subscriber: Settling) -> QueueProducer:
    producer = QueueProducer("c", None, "q")
    producer._subscriber = subscriber  # type: ignore[assignment]
    return producer


if HAS_SHARED_STREAMS:
    from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

with_streams = pytest.mark.needs("HAS_SHARED_STREAMS")


@with_streams
@pytest.mark.parametrize(
    ("counts", "is_deleted"),
    [
        ({"acked": 2, "failed": 0, "rejected": 0}, True),
        ({"acked": 1, "failed": 0, "rejected": 1}, False),
        ({"acked": 0, "failed": 0, "rejected": 1}, False),
        ({"acked": 1, "failed": 1, "rejected": 0}, False),
        ({"acked": 0, "failed": 0, "rejected": 0}, False),
    ],
)
async def test_only_what_every_watcher_has_accepted_is_deleted(counts: dict[str, int], is_deleted: bool) -> None:
    subscriber, message = Settling(), SimpleNamespace(message_id="m")

    await producer(subscriber).advance([AdvanceItem(StreamItem(message, redeliver=False), AdvanceOutcome(**counts))])  # type: ignore[arg-type]

    assert subscriber.settled == [(message, is_deleted)]


@with_streams
async def test_an_unsettled_item_does_not_lose_those_behind_it() -> None:
    subscriber, message = Settling(), SimpleNamespace(message_id="m")
    accepted = AdvanceOutcome(acked=1, failed=0)
    good = StreamItem(message, redeliver=False)  # type: ignore[arg-type]

    await producer(subscriber).advance([AdvanceItem(None, accepted), AdvanceItem(good, accepted)])

    assert subscriber.settled == [(message, True)]
