# SPDX-License-Identifier: Apache-2.0
"""Fetching consumed messages back."""

from __future__ import annotations

import asyncio

import pytest
from helpers.cmq_calls import soon

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.queues.queue import Queue


@pytest.fixture
def queue(broker: Broker) -> Queue:
    return broker.create_queue("jobs", rewind_seconds=1000, msg_retention_seconds=60)


async def consume(queue: Queue, body: str) -> None:
    queue.send([body])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)


async def test_consumed_messages_come_back_from_a_time_on(queue: Queue, clock: Clock) -> None:
    await consume(queue, "before")
    clock.advance(10)
    await consume(queue, "after")
    assert queue.rewindable_count == 2
    assert queue.rewind(clock.time() - 5) == 1
    [receipt] = await queue.receive(16)
    assert (receipt.body, receipt.dequeue_count) == ("after", 1)
    assert queue.rewindable_count == 1


async def test_a_message_that_retention_dropped_comes_back(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    clock.advance(100)
    assert queue.active_count == 0
    queue.rewind(clock.time() - 200)
    clock.advance(59)
    assert queue.active_count == 1
    clock.advance(1)
    assert queue.active_count == 0


async def test_a_message_can_come_back_again_and_again(queue: Queue, clock: Clock) -> None:
    await consume(queue, "a")
    for _ in range(3):
        queue.rewind(clock.time() - 10)
        [receipt] = await queue.receive(16)
        queue.delete(receipt.handle)
    assert await queue.receive() == []


async def test_consumed_messages_are_not_kept_indefinitely(queue: Queue, clock: Clock) -> None:
    await consume(queue, "a")
    clock.advance(1001)
    assert queue.rewindable_count == 0
    assert queue.rewind(clock.time() - 1000) == 0


async def test_a_waiting_receiver_gets_what_comes_back(queue: Queue, clock: Clock) -> None:
    await consume(queue, "a")
    waiting = asyncio.ensure_future(queue.receive(wait=10))
    await asyncio.sleep(0)
    queue.rewind(clock.time())
    assert [receipt.body for receipt in await soon(waiting)] == ["a"]


async def test_a_queue_without_rewind_refuses(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("plain")
    with pytest.raises(CmqFault, match=r"6050 \(10670\)"):
        queue.rewind(clock.time())


async def test_a_time_out_of_reach_is_refused(queue: Queue, clock: Clock) -> None:
    with pytest.raises(CmqFault, match="StartConsumeTime"):
        queue.rewind(clock.time() - 1002)
    with pytest.raises(CmqFault, match="StartConsumeTime"):
        queue.rewind(clock.time() + 1)
    queue.send(["not consumed yet"])
    clock.advance(5)
    with pytest.raises(CmqFault, match="StartConsumeTime"):
        queue.rewind(clock.time())
