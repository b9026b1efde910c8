# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.tap import MAX_OPEN
from airflow_batch_events.exceptions import QueueMissingError, QueueNotFoundError

JOB = "job-00000001"


async def take(tap, count):
    deliveries = []
    async for delivery in tap:
        deliveries.append(delivery)
        if len(deliveries) == count:
            break
    return deliveries


def test_a_message_is_deleted_only_after_what_it_fired_is_stored(run):
    async def scenario():
        cloud = FakeCloud()
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as tap:
                cloud.publish(JOB)
                (delivery,) = await take(tap, 1)
                await asyncio.sleep(5)
                assert len(cloud.left) == 1
                tap.settle(delivery, is_stored=True)
                await asyncio.sleep(1)
                assert cloud.left == []

    run(scenario())


def test_a_message_that_could_not_be_stored_comes_back(run):
    async def scenario():
        cloud = FakeCloud(visibility_timeout=30)
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as tap:
                cloud.publish(JOB)
                (delivery,) = await take(tap, 1)
                tap.settle(delivery, is_stored=False)
                (again,) = await take(tap, 1)
                assert again.events[0].job_id == JOB
                tap.settle(again, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_a_wait_and_two_taps_see_the_same_message_which_goes_when_all_taps_are_done(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as one, consumer.tap() as other:
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


def test_what_is_no_event_goes_only_to_a_tap_that_wants_everything(run):
    async def scenario():
        cloud = FakeCloud()
        cloud.put("plain")
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as events, consumer.tap(lambda events: True) as everything:
                (delivery,) = await take(everything, 1)
                assert (delivery.body, delivery.events) == ("plain", ())
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(take(events, 1), 5)
                everything.settle(delivery, is_stored=True)
        assert cloud.left == []

    run(scenario())


def test_the_reader_waits_for_a_tap_that_is_full(run):
    async def scenario():
        cloud = FakeCloud()
        for number in range(2000):
            cloud.publish(f"job-{number}")
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as tap:
                await asyncio.sleep(20)
                assert consumer.metrics.counters["events.received"] <= MAX_OPEN + 8 * 16
                seen = set()
                async for delivery in tap:
                    seen.add(delivery.events[0].job_id)
                    tap.settle(delivery, is_stored=True)
                    if len(seen) == 2000:
                        break
        assert cloud.left == []

    run(scenario())


def test_a_queue_that_does_not_exist_ends_a_tap_with_the_way_out(run):
    async def scenario():
        error = QueueNotFoundError("BatchReceiveMessage", 4440, 10100, "no queue", "q")
        cloud = FakeCloud(queue_error=error)
        async with running(cloud.consumer()) as consumer:
            with consumer.tap() as tap, pytest.raises(QueueMissingError, match="create it"):
                await asyncio.wait_for(take(tap, 1), 1)
            with consumer.tap() as late, pytest.raises(QueueMissingError):
                await asyncio.wait_for(take(late, 1), 1)

    run(scenario())
