# SPDX-License-Identifier: Apache-2.0
"""Delay, retention and sizes."""

from __future__ import annotations

import random

import pytest

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


@pytest.mark.parametrize("stage", ["never received", "received", "delayed"])
async def test_what_nobody_acknowledges_in_time_is_dropped(broker: Broker, clock: Clock, stage: str) -> None:
    queue = broker.create_queue("jobs", msg_retention_seconds=60, visibility_timeout=600)
    queue.send(["a"], delay=60 if stage == "delayed" else 0)
    handle = (await queue.receive())[0].handle if stage == "received" else "0"
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


async def test_a_message_stays_while_thousands_come_and_go(broker: Broker, clock: Clock) -> None:
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
