# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody manages to consume."""

from __future__ import annotations

import asyncio

import pytest
from helpers.cmq_calls import soon

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy
from tencent_batch_emulator.services.cmq.queues.queue import Queue

BY_COUNT = DeadLetterPolicy("dead", policy=0, max_receive_count=2)
BY_AGE = DeadLetterPolicy("dead", policy=1, max_time_to_live=300)


@pytest.fixture
def dead(broker: Broker) -> Queue:
    return broker.create_queue("dead")


async def test_a_message_received_too_often_is_a_dead_letter(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_COUNT)
    queue.send(["poison"])
    [first] = await queue.receive()
    clock.advance(30)
    [second] = await queue.receive()
    assert dead.active_count == 0, "the last receiver still has its time"
    clock.advance(30)
    assert await queue.receive() == []
    [letter] = await dead.receive()
    assert (letter.message_id, letter.body, letter.dequeue_count) == (first.message_id, "poison", 1)
    assert letter.enqueued == clock.time()
    with pytest.raises(CmqFault, match="4430"):
        queue.delete(second.handle)


async def test_a_message_deleted_at_the_last_receive_is_not_dead(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_COUNT)
    queue.send(["a"])
    await queue.receive()
    clock.advance(30)
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    clock.advance(3000)
    assert dead.active_count == queue.active_count == 0


async def test_a_message_that_nobody_consumes_goes_there_by_age(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_AGE)
    queue.send(["old"])
    clock.advance(200)
    queue.send(["young"])
    clock.advance(100)
    assert [message.body for message in dead.peek()] == ["old"]
    assert [message.body for message in queue.peek()] == ["young"]


async def test_a_held_message_is_not_taken_away_for_its_age(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_AGE, visibility_timeout=20)
    queue.send(["a"])
    clock.advance(290)
    await queue.receive()
    clock.advance(15)
    assert queue.inactive_count == 1
    clock.advance(5)
    assert (queue.active_count, queue.inactive_count, dead.active_count) == (0, 0, 1)


async def test_a_receiver_waiting_at_the_dead_letter_queue_is_woken(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_AGE)
    queue.send(["a"])
    waiting = asyncio.ensure_future(dead.receive(wait=600))
    await asyncio.sleep(0)
    clock.advance(300)
    assert [receipt.body for receipt in await soon(waiting)] == ["a"]


async def test_a_policy_set_later_applies_to_messages_that_are_there(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs")
    queue.send(["a"])
    clock.advance(400)
    broker.bind_dead_letters(queue, BY_AGE)
    assert queue.active_count == 0
    assert dead.active_count == 1


async def test_an_unbound_queue_keeps_its_messages(broker: Broker, clock: Clock, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_AGE)
    queue.send(["a"])
    broker.bind_dead_letters(queue, None)
    clock.advance(400)
    assert (queue.active_count, dead.active_count) == (1, 0)


async def test_a_bound_dead_letter_queue_cannot_be_deleted(broker: Broker, dead: Queue) -> None:
    queue = broker.create_queue("jobs", dead_letter_policy=BY_COUNT)
    with pytest.raises(CmqFault, match="dead-letter queue of jobs"):
        broker.delete_queue("dead")
    broker.bind_dead_letters(queue, None)
    broker.delete_queue("dead")


async def test_dead_letter_queues_are_not_nested(broker: Broker, dead: Queue) -> None:
    broker.create_queue("jobs", dead_letter_policy=BY_COUNT)
    with pytest.raises(CmqFault, match="none itself"):
        broker.create_queue("more", dead_letter_policy=DeadLetterPolicy("jobs", max_receive_count=1))
    other = broker.create_queue("other")
    with pytest.raises(CmqFault, match="none itself"):
        broker.bind_dead_letters(dead, DeadLetterPolicy(other.name, max_receive_count=1))
    with pytest.raises(CmqFault, match="none itself"):
        broker.bind_dead_letters(other, DeadLetterPolicy(other.name, max_receive_count=1))


async def test_one_dead_letter_queue_has_at_most_six_sources(broker: Broker, dead: Queue) -> None:
    for number in range(6):
        broker.create_queue(f"jobs{number}", dead_letter_policy=BY_COUNT)
    with pytest.raises(CmqFault, match="6 queues"):
        broker.create_queue("jobs6", dead_letter_policy=BY_COUNT)
    broker.bind_dead_letters(broker.queues.get("jobs0"), BY_AGE)


@pytest.mark.parametrize(
    "policy",
    [
        DeadLetterPolicy("dead", policy=2),
        DeadLetterPolicy("dead", policy=0, max_receive_count=0),
        DeadLetterPolicy("dead", policy=0, max_receive_count=1001),
        DeadLetterPolicy("dead", policy=1, max_time_to_live=299),
        DeadLetterPolicy("dead", policy=1, max_time_to_live=3600),
        DeadLetterPolicy("nowhere", policy=0, max_receive_count=1),
    ],
)
async def test_a_policy_that_cannot_be_is_refused(broker: Broker, dead: Queue, policy: DeadLetterPolicy) -> None:
    with pytest.raises(CmqFault, match=r"4000|4440"):
        broker.create_queue("jobs", dead_letter_policy=policy)
    assert "jobs" not in broker.queues
