# SPDX-License-Identifier: Apache-2.0
"""Delay, retention and sizes."""

from __future__ import annotations

import random
import time

import pytest
from helpers.cmq_calls import soon

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import Limits
from tencent_batch_emulator.services.cmq.queues.attributes import QueueAttributes
from tencent_batch_emulator.services.cmq.queues.queue import Queue


def small_queue(clock: Clock, limits: Limits) -> Queue:
    return Queue("q", "cmqq-1", QueueAttributes(), clock=clock, rng=random.Random(1), limits=limits, window=1)


async def test_a_delayed_message_cannot_be_received_before_its_time(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("jobs")
    queue.send(["a"], delay=60)
    assert (queue.active_count, queue.delayed_count) == (0, 1)
    clock.advance(59.9)
    assert await queue.receive() == []
    clock.advance(0.1)
    [receipt] = await queue.receive()
    assert receipt.enqueued == clock.time() - 60
    assert receipt.dequeue_count == 1


@pytest.mark.parametrize("delay", [-1, 3601])
async def test_a_delay_out_of_range_is_refused(broker: Broker, delay: int) -> None:
    queue = broker.create_queue("jobs", msg_retention_seconds=7200)
    with pytest.raises(CmqFault, match=r"4000 \(10692\)"):
        queue.send(["a"], delay=delay)


async def test_a_delay_beyond_the_retention_is_refused(broker: Broker) -> None:
    queue = broker.create_queue("jobs", msg_retention_seconds=60)
    with pytest.raises(CmqFault, match="from 0 to 60"):
        queue.send(["a"], delay=61)


async def test_too_many_delayed_messages_are_refused(clock: Clock) -> None:
    queue = small_queue(clock, Limits(unacked=2))
    queue.send(["a", "b"], delay=10)
    with pytest.raises(CmqFault, match="6070"):
        queue.send(["c"], delay=10)
    queue.send(["c"])


@pytest.mark.parametrize("fate", ["never received", "received", "delayed"])
async def test_what_nobody_acknowledges_in_time_is_dropped(broker: Broker, clock: Clock, fate: str) -> None:
    queue = broker.create_queue("jobs", msg_retention_seconds=60, visibility_timeout=600)
    queue.send(["a"], delay=60 if fate == "delayed" else 0)
    handle = (await queue.receive())[0].handle if fate == "received" else "0"
    clock.advance(59)
    assert len(list(queue.peek())) == 1
    clock.advance(1)
    assert list(queue.peek()) == []
    assert (queue.active_count, queue.inactive_count, queue.delayed_count) == (0, 0, 0)
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(handle)


async def test_a_shorter_retention_applies_to_messages_that_are_there(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("jobs", msg_retention_seconds=3600)
    queue.send(["a"])
    clock.advance(100)
    queue.change(QueueAttributes(msg_retention_seconds=60))
    assert queue.active_count == 0


async def test_an_empty_message_is_refused(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    with pytest.raises(CmqFault, match="10120"):
        queue.send(["a", ""])
    assert queue.active_count == 0, "a batch goes in as a whole or not at all"


async def test_sizes_are_counted_in_bytes(broker: Broker) -> None:
    queue = broker.create_queue("jobs", max_msg_size=1024)
    queue.send(["é" * 512])
    with pytest.raises(CmqFault, match=r"4400 \(10230\)"):
        queue.send(["é" * 512 + "x"])


async def test_a_batch_is_limited_as_a_whole(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    queue.send(["x" * 65_536] * 16)
    with pytest.raises(CmqFault, match=r"4470 \(10300\)"):
        queue.send(["x" * 65_536] * 15 + ["x" * 65_537])


async def test_a_full_queue_takes_no_more(clock: Clock) -> None:
    queue = small_queue(clock, Limits(backlog_bytes=10))
    queue.send(["x" * 10])
    with pytest.raises(CmqFault, match=r"4410 \(10240\)"):
        queue.send(["x"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    queue.send(["x"])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("visibility_timeout", 0),
        ("visibility_timeout", 43_201),
        ("polling_wait_seconds", 31),
        ("max_msg_size", 1023),
        ("msg_retention_seconds", 29),
        ("msg_retention_seconds", 43_201),
        ("rewind_seconds", 1_296_001),
        ("max_msg_heap_num", 10),
        ("retention_size_in_mb", 10_240),
    ],
)
async def test_attributes_out_of_range_are_refused(broker: Broker, setting: str, value: int) -> None:
    with pytest.raises(CmqFault, match=f"{value}"):
        broker.create_queue("jobs", QueueAttributes(**{setting: value}))
    assert "jobs" not in broker.queues


async def test_a_moved_clock_does_everything_that_is_due_on_its_way(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("jobs", visibility_timeout=10, msg_retention_seconds=60)
    for _ in range(50):
        queue.send(["a"])
        await queue.receive()
        clock.advance(0.7)
    clock.advance(86_400)
    assert (queue.active_count, queue.inactive_count, queue.delayed_count) == (0, 0, 0)


async def test_the_clock_alone_drives_a_running_queue(broker: Broker) -> None:
    running = Broker(Clock())
    queue = running.create_queue("jobs")
    queue.send(["a"], delay=1)
    queue.send(["b"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    [receipt] = await soon(queue.receive(wait=5))
    assert receipt.body == "a"
    await running.close()


async def test_a_message_that_stays_outlives_thousands_that_come_and_go(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("jobs", visibility_timeout=600, msg_retention_seconds=60)
    queue.send(["stays"], delay=59)
    queue.send(["is held"])
    [held] = await queue.receive()
    for _ in range(300):
        queue.send(["passes"] * 16)
        for receipt in await queue.receive(16):
            queue.delete(receipt.handle)
    assert [message.body for message in queue.peek()] == ["stays", "is held"]
    clock.advance(59)
    assert (queue.active_count, queue.inactive_count) == (1, 1)
    queue.delete(held.handle)
    clock.advance(1)
    assert list(queue.peek()) == []


async def test_a_long_queue_is_as_quick_as_a_short_one(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    for _ in range(100_000 // 16):
        queue.send(["x" * 100] * 16)
    started = time.perf_counter()
    for _ in range(200):
        queue.send(["y"] * 16)
        for receipt in await queue.receive(16):
            queue.delete(receipt.handle)
    # Three thousand of each take well under a second; anything that looks at all messages takes minutes.
    assert time.perf_counter() - started < 5
    assert queue.active_count == 100_000
