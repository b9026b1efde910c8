# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from dispatch.waits import JOB, queue_missing, settle
from support.fake_cloud import FakeCloud

from airflow_batch_events.dispatch.shared_consumers import shared_consumer
from airflow_batch_events.exceptions import WaitQueueNotFoundError


def test_waits_share_a_consumer_until_the_last_ends(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})

        async def wait():
            async with shared_consumer("q", cloud.consumer) as consumer:
                return await consumer.wait_for([JOB])

        waits = [asyncio.ensure_future(wait()) for _ in range(50)]
        await settle()
        assert (cloud.opened, cloud.closed) == (1, 0)
        cloud.finish(JOB)
        await asyncio.gather(*waits)
        assert (cloud.opened, cloud.closed) == (1, 1)
        cloud.states[JOB] = "RUNNING"
        again = asyncio.ensure_future(wait())
        await settle()
        assert cloud.opened == 2
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        assert cloud.closed == 2

    run(scenario())


def test_a_consumer_that_failed_is_replaced(run):
    async def scenario():
        cloud = FakeCloud({JOB: "SUCCEED"}, queue_error=queue_missing())

        async def wait():
            async with shared_consumer("q", cloud.consumer) as consumer:
                return await consumer.wait_for([JOB])

        cloud.states = {}
        with pytest.raises(WaitQueueNotFoundError):
            await wait()
        cloud.queue_error = None
        cloud.states = {JOB: "SUCCEED"}
        (outcome,) = await wait()
        assert outcome.succeeded

    run(scenario())


def test_a_use_is_entered_once_and_left_as_often_as_one_likes(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        use = shared_consumer("q", cloud.consumer)
        async with use:
            await settle()
        with pytest.raises(RuntimeError, match="can be entered once"):
            await use.__aenter__()
        await use.__aexit__(None, None, None)
        assert (cloud.opened, cloud.closed) == (1, 1)

    run(scenario())
