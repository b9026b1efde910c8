# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.message_subscriber import BACK_PRESSURE, MAX_OPEN
from airflow_batch_events.exceptions import CmqQueueNotFoundError, WaitQueueNotFoundError

JOB = "job-00000001"


async def take(subscriber, count):
    deliveries = []
    async for delivery in subscriber:
        deliveries.append(delivery)
        if len(deliveries) == count:
            break
    return deliveries


def test_a_message_is_deleted_after_it_is_stored(run):
    async def scenario():
        cloud = FakeCloud()
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber:
                cloud.publish(JOB)
                (delivery,) = await take(subscriber, 1)
                await asyncio.sleep(5)
                assert len(cloud.left) == 1
                subscriber.settle(delivery, is_stored=True)
                await asyncio.sleep(1)
                assert cloud.left == []

    run(scenario())


def test_a_message_that_could_not_be_stored_comes_back(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=30)
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber:
                cloud.publish(JOB)
                (delivery,) = await take(subscriber, 1)
                subscriber.settle(delivery, is_stored=False)
                (again,) = await take(subscriber, 1)
                assert again.events[0].job_id == JOB
                subscriber.settle(again, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_a_message_goes_when_every_subscriber_is_done(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as one, consumer.subscriber() as other:
                wait = asyncio.ensure_future(consumer.wait_for([JOB]))
                await asyncio.sleep(2)
                cloud.finish(JOB)
                (outcome,) = await asyncio.wait_for(wait, 1)
                assert outcome.source == "event"
                ((first,), (second,)) = await asyncio.gather(take(one, 1), take(other, 1))
                one.settle(first, is_stored=True)
                await asyncio.sleep(1)
                assert len(cloud.left) == 1
                other.settle(second, is_stored=True)
                await asyncio.sleep(1)
                assert cloud.left == []
                assert cloud.opened == 1

    run(scenario())


def test_what_is_no_event_goes_to_who_wants_everything(run):
    async def scenario():
        cloud = FakeCloud()
        cloud.put("plain")
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as events, consumer.subscriber(lambda events: True) as everything:
                (delivery,) = await take(everything, 1)
                assert (delivery.body, delivery.events) == ("plain", ())
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(take(events, 1), 5)
                everything.settle(delivery, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_the_reader_waits_for_a_full_subscriber(run):
    async def scenario():
        cloud = FakeCloud()
        for number in range(2000):
            cloud.publish(f"job-{number}")
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber:
                await asyncio.sleep(BACK_PRESSURE - 1)
                assert consumer.metrics.counters["events.received"] <= MAX_OPEN + 8 * 16
                received = set()
                async for delivery in subscriber:
                    # As fast as Airflow takes events from a watcher.
                    await asyncio.sleep(0.01)
                    received.add(delivery.events[0].job_id)
                    subscriber.settle(delivery, is_stored=True)
                    if len(received) == 2000:
                        break
        assert cloud.left == []

    run(scenario())


def test_large_messages_fill_a_subscriber_sooner(run):
    """A payload that Airflow cannot carry: hundreds of large ones at once, before any is stored."""

    async def scenario():
        cloud = FakeCloud()
        for number in range(300):
            cloud.put(f"{number}-{'x' * 1000}")
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber(lambda events: True, max_size=20_000) as subscriber:
                await asyncio.sleep(BACK_PRESSURE - 1)
                assert consumer.metrics.counters["events.received"] <= 20 + 8 * 16
                received = set()
                async for delivery in subscriber:
                    received.add(delivery.body)
                    subscriber.settle(delivery, is_stored=True)
                    if len(received) == 300:
                        break
        assert cloud.left == []

    run(scenario())


def test_a_subscriber_that_stays_full_is_blocked(run, caplog):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, visibility_timeout=600)
        for number in range(600):
            cloud.publish(f"job-{number}")
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            with (
                consumer.subscriber(name="the watcher of asset a") as full,
                consumer.subscriber(capacity=1000) as other,
            ):
                others = asyncio.ensure_future(take(other, 600))
                await asyncio.sleep(30)
                polls = -1
                while polls != len(cloud.describes):
                    # Right after a poll an event would only cause another one.
                    polls = len(cloud.describes)
                    await asyncio.sleep(3)
                cloud.finish(JOB)
                (outcome,) = await asyncio.wait_for(wait, 5)
                assert outcome.source == "event"
                assert len(await asyncio.wait_for(others, 1)) == 600
                assert full.is_blocked
                assert consumer.metrics.counters["subscribers.blocked"] == 1
                await asyncio.sleep(120)
                assert consumer.metrics.counters["subscribers.blocked"] in (2, 3), "one warning a minute"

    run(scenario())
    warnings = [record.getMessage() for record in caplog.records if "takes no more messages" in record.getMessage()]
    assert "the watcher of asset a takes no more messages of queue 'q' in r" in warnings[0]


def test_a_slow_subscriber_sees_every_message(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=30)
        for number in range(5000):
            cloud.publish(f"job-{number}")
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber:
                received = set()
                async for delivery in subscriber:
                    # As fast as Airflow takes events from a watcher.
                    await asyncio.sleep(0.01)
                    received.add(delivery.events[0].job_id)
                    subscriber.settle(delivery, is_stored=True)
                    if len(received) == 5000:
                        break
                assert asyncio.get_running_loop().time() < 2 * 5000 / 100 + 30
                assert consumer.metrics.counters["events.received"] <= 1.5 * 5000

    run(scenario())


def test_what_a_blocked_subscriber_wants_comes_back(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            with consumer.subscriber(capacity=1) as subscriber:
                await asyncio.sleep(2)
                cloud.publish("job-other")
                (held,) = await take(subscriber, 1)
                await asyncio.sleep(10)
                cloud.finish(JOB)
                await wait
                await asyncio.sleep(10)
                assert len(cloud.left) == 2
                subscriber.settle(held, is_stored=True)
                (late,) = await asyncio.wait_for(take(subscriber, 1), 40)
                assert late.events[0].job_id == JOB
                subscriber.settle(late, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_the_newest_handle_deletes_a_held_message(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=5)
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber:
                for number in range(20):
                    cloud.publish(f"job-{number}")
                deliveries = await take(subscriber, 20)
                await asyncio.sleep(60)
                assert consumer.metrics.counters["events.received"] >= 200
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(take(subscriber, 1), 1)
                for delivery in deliveries:
                    subscriber.settle(delivery, is_stored=True)
                await asyncio.sleep(0.5)
                assert cloud.left == []

    run(scenario())


def test_what_was_stored_is_not_offered_again(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=5)
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as first, consumer.subscriber() as second:
                cloud.publish(JOB)
                (one,), (two,) = await asyncio.gather(take(first, 1), take(second, 1))
                first.settle(one, is_stored=True)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(take(first, 1), 10)
                second.settle(two, is_stored=True)
                await asyncio.sleep(0.5)
                assert cloud.left == []

    run(scenario())


def test_a_subscriber_that_leaves_gives_back_what_it_holds(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=5)
        async with running(cloud.consumer()) as consumer, AsyncExitStack() as stack:
            stack.enter_context(consumer.subscriber(lambda events: False))
            with consumer.subscriber() as subscriber:
                cloud.publish(JOB)
                await take(subscriber, 1)
            with consumer.subscriber() as subscriber:
                (again,) = await asyncio.wait_for(take(subscriber, 1), 10)
                subscriber.settle(again, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_one_that_takes_no_more_holds_up_nobody(run):
    async def scenario():
        cloud = FakeCloud()
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber(capacity=1) as first, consumer.subscriber() as second:
                cloud.publish(JOB)
                (held,) = await take(first, 1)
                first.take_no_more()
                for number in range(50):
                    cloud.publish(f"job-{number}")
                for delivery in await asyncio.wait_for(take(second, 51), BACK_PRESSURE / 2):
                    second.settle(delivery, is_stored=True)
                first.settle(held, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_a_subscriber_that_fails_costs_the_others_nothing(run, caplog):
    def broken(events):
        raise RuntimeError("nobody has foreseen it")

    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            with consumer.subscriber(broken), consumer.subscriber() as subscriber:
                await asyncio.sleep(2)
                cloud.finish(JOB)
                (delivery,) = await asyncio.wait_for(take(subscriber, 1), 1)
                subscriber.settle(delivery, is_stored=True)
                (outcome,) = await asyncio.wait_for(wait, 1)
                assert outcome.source == "event"
                await asyncio.sleep(5)
                assert len(cloud.left) == 1
                assert consumer.metrics.counters["errors"] >= 1

    run(scenario())


def test_a_missing_queue_ends_a_subscriber_with_advice(run):
    async def scenario():
        error = CmqQueueNotFoundError("BatchReceiveMessage", 4440, 10100, "no queue", "q")
        cloud = FakeCloud(queue_error=error)
        async with running(cloud.consumer()) as consumer:
            with consumer.subscriber() as subscriber, pytest.raises(WaitQueueNotFoundError, match="create it"):
                await asyncio.wait_for(take(subscriber, 1), 1)
            with consumer.subscriber() as late, pytest.raises(WaitQueueNotFoundError):
                await asyncio.wait_for(take(late, 1), 1)

    run(scenario())
