# SPDX-License-Identifier: Apache-2.0
"""Waiting for messages."""

from __future__ import annotations

import asyncio

import pytest
from helpers.cmq_calls import soon

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import Limits
from tencent_batch_emulator.services.cmq.message import Receipt
from tencent_batch_emulator.services.cmq.queues.queue import Queue


@pytest.fixture
def queue(broker: Broker) -> Queue:
    return broker.create_queue("jobs", visibility_timeout=30)


async def waiting(
    queue: Queue, count: int = 1, wanted: int = 1, seconds: float = 20
) -> list[asyncio.Task[list[Receipt]]]:
    before = queue.waiting_receivers
    tasks = [asyncio.ensure_future(queue.receive(wanted, seconds)) for _ in range(count)]
    await asyncio.sleep(0)
    assert queue.waiting_receivers == before + count
    return tasks


async def test_a_long_poll_ends_when_a_message_arrives(queue: Queue) -> None:
    [task] = await waiting(queue)
    queue.send(["a"])
    assert [receipt.body for receipt in await soon(task)] == ["a"]


async def test_a_long_poll_ends_empty_when_its_time_is_up(queue: Queue, clock: Clock) -> None:
    [task] = await waiting(queue, seconds=20)
    clock.advance(19)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(1)
    assert await soon(task) == []
    assert queue.waiting_receivers == 0


async def test_a_receiver_waits_as_long_as_its_queue_says(broker: Broker, clock: Clock) -> None:
    queue = broker.create_queue("patient", polling_wait_seconds=7)
    task = asyncio.ensure_future(queue.receive())
    await asyncio.sleep(0)
    clock.advance(7)
    assert await soon(task) == []
    assert await queue.receive(wait=0) == []


async def test_as_many_receivers_wake_as_there_are_messages(queue: Queue) -> None:
    tasks = await waiting(queue, 1000)
    queue.send(["a", "b", "c"])
    done, rest = await asyncio.wait(tasks, timeout=0.05)
    assert sorted(receipt.body for task in done for receipt in task.result()) == ["a", "b", "c"]
    assert len(done) == 3
    assert queue.waiting_receivers == 997
    for task in rest:
        task.cancel()
    await asyncio.wait(rest)
    assert queue.waiting_receivers == 0


async def test_receivers_are_served_in_the_order_in_which_they_came(queue: Queue) -> None:
    [first] = await waiting(queue)
    [second] = await waiting(queue)
    queue.send(["a"])
    await asyncio.sleep(0)
    assert first.done()
    assert not second.done()
    queue.send(["b"])
    assert [receipt.body for receipt in await soon(second)] == ["b"]


async def test_a_long_poll_ends_when_a_message_is_visible_again(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    await queue.receive()
    [task] = await waiting(queue, seconds=30)
    clock.advance(30)
    [receipt] = await soon(task)
    assert receipt.dequeue_count == 2


async def test_a_long_poll_ends_when_a_delay_is_over(queue: Queue, clock: Clock) -> None:
    queue.send(["a"], delay=3)
    [task] = await waiting(queue)
    clock.advance(3)
    assert [receipt.body for receipt in await soon(task)] == ["a"]


async def test_a_message_served_to_one_who_left_goes_to_the_next(queue: Queue) -> None:
    [gone] = await waiting(queue)
    [next_in_line] = await waiting(queue)
    queue.send(["a"])
    gone.cancel()
    [receipt] = await soon(next_in_line)
    assert gone.cancelled()
    assert receipt.dequeue_count == 1, "the one that went away never received it"
    queue.delete(receipt.handle)
    assert queue.inactive_count == 0


async def test_a_receiver_that_left_takes_no_message(queue: Queue) -> None:
    [gone] = await waiting(queue)
    gone.cancel()
    await asyncio.wait([gone])
    queue.send(["a"])
    assert (queue.active_count, queue.inactive_count) == (1, 0)


async def test_deleting_the_queue_ends_a_long_poll_with_an_error(broker: Broker, queue: Queue) -> None:
    [task] = await waiting(queue)
    broker.delete_queue("jobs")
    with pytest.raises(CmqFault, match="4440"):
        await soon(task)


async def test_long_polls_see_one_timeout_after_the_other(queue: Queue, clock: Clock) -> None:
    for body in ("first", "second"):
        queue.send([body])
        await queue.receive()
        clock.advance(5)
    for seconds, body in ((20, "first"), (5, "second")):
        [task] = await waiting(queue, seconds=60)
        clock.advance(seconds)
        assert [receipt.body for receipt in await soon(task)] == [body]


async def test_a_message_given_back_is_held_its_whole_time_again(queue: Queue, clock: Clock) -> None:
    [gone] = await waiting(queue)
    queue.send(["a"])
    gone.cancel()
    await asyncio.wait([gone])
    clock.advance(10)
    [receipt] = await queue.receive()
    clock.advance(20)
    assert queue.inactive_count == 1, "the end of the receive that never was means nothing"
    clock.advance(9)
    queue.delete(receipt.handle)


async def test_a_delete_serves_a_receiver_that_the_cap_held_up(clock: Clock) -> None:
    broker = Broker(clock, limits=Limits(unacked=1))
    queue = broker.create_queue("jobs")
    [first, second] = await waiting(queue, 2)
    queue.send(["a", "b"])
    [receipt] = await soon(first)
    await asyncio.sleep(0)
    assert not second.done()
    queue.delete(receipt.handle)
    assert len(await soon(second)) == 1
    await broker.close()
