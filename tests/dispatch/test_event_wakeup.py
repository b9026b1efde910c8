# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.event_wakeup import EventWakeup
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.exceptions import CmqQueueNotFoundError, WaitQueueNotFoundError

ENV = "env-00000001"


def publish(cloud, env_id=ENV, name="COMPUTE_NODE_RUNNING"):
    cloud.publish("", name, JobId=None, EnvId=env_id)


async def slept(wakeup, seconds):
    """Return how long a sleep took, and whether an event has ended it."""
    began = asyncio.get_running_loop().time()
    is_woken = await wakeup.sleep(seconds)
    return asyncio.get_running_loop().time() - began, is_woken


def listening(cloud, scenario, **settings):
    async def whole():
        wakeup = EventWakeup(**settings)
        wants = EventFilter(env_id=ENV).matches_any
        async with running(cloud.consumer()) as consumer, wakeup.woken_by(consumer, wants):
            await scenario(wakeup)

    return whole()


def test_without_a_queue_it_sleeps_as_long_as_it_is_told(run):
    assert run(slept(EventWakeup(), 30)) == (30, False)


def test_without_events_it_sleeps_as_long_as_it_is_told(run):
    async def scenario(wakeup):
        seconds, is_woken = await slept(wakeup, 90)
        assert (round(seconds, 3), is_woken) == (90, False)

    run(listening(FakeCloud(), scenario))


def test_an_event_ends_the_sleep_at_once(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        asyncio.get_running_loop().call_later(20, publish, cloud)
        seconds, is_woken = await slept(wakeup, 600)
        assert is_woken
        assert 20 <= seconds < 20.5
        await asyncio.sleep(1)
        assert cloud.left == []

    run(listening(cloud, scenario))


def test_an_event_that_came_between_two_sleeps_is_not_missed(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        publish(cloud)
        await asyncio.sleep(5)
        assert (await slept(wakeup, 600))[1]

    run(listening(cloud, scenario))


def test_many_events_cost_few_polls(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_later(number * 0.6, publish, cloud)
        wakings = 0
        while (await slept(wakeup, 30))[1]:
            wakings += 1
        assert 10 <= wakings <= 13

    run(listening(cloud, scenario, min_sleep=5))


def test_a_pause_between_wakings_does_not_outlast_the_sleep(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        publish(cloud)
        seconds, is_woken = await slept(wakeup, 0.5)
        assert is_woken
        assert round(seconds, 3) == 0.5

    run(listening(cloud, scenario, min_sleep=5))


def test_events_of_other_environments_wake_nobody_and_are_left(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        publish(cloud, env_id="env-00000002")
        assert not (await slept(wakeup, 20))[1]
        assert len(cloud.left) == 1

    run(listening(cloud, scenario))


def test_a_missing_queue_ends_the_sleep_with_advice(run):
    async def scenario(wakeup):
        with pytest.raises(WaitQueueNotFoundError, match="create it"):
            await wakeup.sleep(60)

    error = CmqQueueNotFoundError("BatchReceiveMessage", 4440, 10100, "no queue", "q")
    run(listening(FakeCloud(queue_error=error), scenario))


def test_an_outage_of_the_queue_costs_the_interval(run):
    cloud = FakeCloud()

    async def scenario(wakeup):
        cloud.queue_error = ConnectionError("cut")
        assert not (await slept(wakeup, 30))[1]
        cloud.queue_error = None
        publish(cloud)
        assert (await slept(wakeup, 600))[1]

    run(listening(cloud, scenario))
