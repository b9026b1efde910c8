# SPDX-License-Identifier: Apache-2.0
"""A message through its life, and the receipts that are left of it."""

from __future__ import annotations

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.message import Message, State
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy
from tencent_batch_emulator.services.cmq.queues.queue import Queue


@pytest.fixture
def queue(broker: Broker) -> Queue:
    return broker.create_queue("jobs", visibility_timeout=30, rewind_seconds=600)


def test_a_new_message_is_there_at_once_and_was_never_received() -> None:
    message = Message("id", "ä", 2, 100.0, 90.0)
    assert (message.state, message.visible_at, message.unacked_since) == (State.ACTIVE, 100.0, 90.0)
    assert (message.dequeue_count, message.first_dequeued) == (0, 0.0)


async def test_a_message_passes_through_its_states(queue: Queue, clock: Clock) -> None:
    queue.send(["ä"], 10)
    [message] = queue.peek()
    seen = [(message.state, message.visible_at - clock.time())]
    clock.advance(10)
    [message] = queue.peek()
    seen.append((message.state, message.visible_at - clock.time()))
    [receipt] = await queue.receive()
    seen.append((message.state, message.visible_at - clock.time()))
    queue.delete(receipt.handle)
    assert seen == [(State.DELAYED, 10), (State.ACTIVE, 0), (State.INACTIVE, 30)]
    assert message.state is State.GONE
    assert message.size == 2


async def test_a_receipt_stays_what_the_consumer_was_told(queue: Queue, clock: Clock) -> None:
    queue.send(["a"])
    [first] = await queue.receive()
    told = tuple(first)
    clock.advance(30)
    [second] = await queue.receive()
    queue.delete(second.handle)
    assert tuple(first) == told
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)


async def test_a_message_keeps_its_id_in_every_queue(broker: Broker, queue: Queue, clock: Clock) -> None:
    dead = broker.create_queue("dead")
    broker.bind_dead_letters(queue, DeadLetterPolicy("dead", max_receive_count=1))
    [sent] = queue.send(["a"])
    [first] = await queue.receive()
    queue.delete(first.handle)
    queue.rewind(clock.time() - 60)
    [again] = await queue.receive()
    clock.advance(30)
    [letter] = await dead.receive()
    assert first.message_id == again.message_id == letter.message_id == sent
