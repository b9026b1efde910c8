# SPDX-License-Identifier: Apache-2.0
"""Receiving, deleting, and coming back."""

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


@pytest.fixture
def queue(broker: Broker) -> Queue:
    return broker.create_queue("jobs", visibility_timeout=30)


async def test_a_received_message_is_invisible_until_its_timeout(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    [first] = await queue.receive()
    clock.advance(29.9)
    assert await queue.receive() == []
    clock.advance(0.1)
    [second] = await queue.receive()
    assert second.message_id == first.message_id
    assert second.handle != first.handle
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)
    assert second.first_dequeued == first.first_dequeued
    assert second.next_visible == first.next_visible + 30


async def test_a_deleted_message_never_comes_back(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    clock.advance(3600)
    assert await queue.receive() == []
    assert (queue.active_count, queue.inactive_count, queue.delayed_count) == (0, 0, 0)


async def test_deleting_twice_is_refused_the_second_time(queue: Queue) -> None:
    queue.send(["a"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    with pytest.raises(CmqFault, match=r"4430 \(10260\)"):
        queue.delete(receipt.handle)


async def test_a_handle_ends_when_the_message_is_visible_again(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    [receipt] = await queue.receive()
    clock.advance(30)
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(receipt.handle)
    assert queue.active_count == 1


async def test_only_the_handle_of_the_latest_receive_works(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    [old] = await queue.receive()
    clock.advance(30)
    [new] = await queue.receive()
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(old.handle)
    queue.delete(new.handle)


@pytest.mark.parametrize("handle", ["", "0", "-1", "abc", "٣", "1" * 400, "1.0"])
async def test_an_invented_handle_is_refused(queue: Queue, handle: str) -> None:
    queue.send(["a"])
    await queue.receive()
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(handle)
    assert queue.inactive_count == 1


async def test_a_batch_is_no_larger_than_what_was_asked_for(queue: Queue) -> None:
    queue.send([str(number) for number in range(5)])
    assert [receipt.body for receipt in await queue.receive(3)] == ["0", "1", "2"]
    assert [receipt.body for receipt in await queue.receive(16)] == ["3", "4"]


async def test_a_message_that_comes_back_goes_before_those_behind_it(queue: Queue, clock: Clock) -> None:
    queue.send(["first", "second"])
    await queue.receive()
    clock.advance(30)
    assert [receipt.body for receipt in await queue.receive()] == ["first"]


async def test_a_changed_timeout_counts_from_the_next_receive(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    await queue.receive()
    queue.change(QueueAttributes(visibility_timeout=5))
    clock.advance(29)
    assert await queue.receive() == []
    clock.advance(1)
    [receipt] = await queue.receive()
    assert receipt.next_visible == clock.time() + 5


async def test_no_more_messages_are_held_than_the_cap(clock: Clock) -> None:
    queue = Queue("q", "cmqq-1", QueueAttributes(), clock=clock, rng=random.Random(1), limits=Limits(unacked=3))
    queue.send(["a", "b", "c", "d"])
    held = await queue.receive(16)
    assert len(held) == 3
    with pytest.raises(CmqFault, match=r"6070 \(10690\)"):
        await queue.receive()
    queue.delete(held[0].handle)
    assert len(await queue.receive(16)) == 1


async def test_messages_come_about_in_order_but_not_quite(clock: Clock) -> None:
    queue = Queue("q", "cmqq-1", QueueAttributes(), clock=clock, rng=random.Random(1))
    for number in range(100):
        queue.send([str(number)])
    bodies = [int(receipt.body) for _ in range(10) for receipt in await queue.receive(10)]
    assert sorted(bodies) == list(range(100))
    assert bodies != sorted(bodies)
    assert all(body < place + 8 for place, body in enumerate(bodies)), "taken from the oldest few only"


async def test_clearing_drops_everything_and_invalidates_handles(queue: Queue) -> None:
    queue.send(["a", "b"])
    queue.send(["later"], delay=10)
    [receipt] = await queue.receive()
    queue.clear()
    assert (queue.active_count, queue.inactive_count, queue.delayed_count) == (0, 0, 0)
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(receipt.handle)
    queue.send(["new"])
    assert [each.body for each in await queue.receive(16)] == ["new"]


async def test_peeking_receives_nothing(queue: Queue) -> None:
    queue.send(["a", "b"])
    await queue.receive()
    assert [(message.body, message.state.value) for message in queue.peek()] == [("a", "inactive"), ("b", "active")]
    assert (queue.active_count, queue.inactive_count) == (1, 1)


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


async def test_a_long_queue_is_as_quick_as_a_short_one(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    for _ in range(100_000 // 16):
        queue.send(["x" * 100] * 16)
    started = time.process_time()
    for _ in range(200):
        queue.send(["y"] * 16)
        for receipt in await queue.receive(16):
            queue.delete(receipt.handle)
    # Three thousand of each take well under a second of processor time; reading all messages each time takes minutes.
    assert time.process_time() - started < 5
    assert queue.active_count == 100_000
