# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.many.open_wait import FIRST_POLL, MAX_EARLY
from airflow_batch_events.exceptions import CmqQueueNotFoundError, WaitQueueNotFoundError


def now() -> float:
    return asyncio.get_running_loop().time()


def test_jobs_are_added_while_others_end(run):
    async def scenario():
        cloud = FakeCloud({"job-1": "RUNNING", "job-2": "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                consumer.wait_also(wait, "job-1")
                await asyncio.sleep(20)
                cloud.finish("job-1")
                assert [outcome.job_id for outcome in await wait.settled()] == ["job-1"]
                consumer.wait_also(wait, "job-2", since=cloud.now - 2)
                polls = len(cloud.describes)
                await asyncio.sleep(1)
                assert len(cloud.describes) == polls, "a new job is polled later"
                cloud.finish("job-2", "FAILED")
                (outcome,) = await wait.settled()
                assert (outcome.state, outcome.source) == ("FAILED", "event")
            assert len(consumer.registry) == 0

    run(scenario())


def test_a_job_that_ends_before_its_id_is_known_ends_at_once(run):
    async def scenario():
        cloud = FakeCloud({"job-1": "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                since = cloud.now
                await asyncio.sleep(10)
                cloud.finish("job-1")
                await asyncio.sleep(1)
                began = now()
                consumer.wait_also(wait, "job-1", since=since)
                (outcome,) = await wait.settled()
                assert outcome.source == "event"
                assert now() - began < 0.1

    run(scenario())


def test_a_lost_event_is_made_up_for_by_the_first_poll(run):
    async def scenario():
        cloud = FakeCloud({"job-1": "SUCCEED"})
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                consumer.wait_also(wait, "job-1", since=cloud.now)
                (outcome,) = await wait.settled()
                assert outcome.source == "api"
                assert FIRST_POLL <= now() < FIRST_POLL + 1

    run(scenario())


def test_early_events_are_remembered_within_bounds(run):
    async def scenario():
        cloud = FakeCloud()
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                for number in range(MAX_EARLY + 50):
                    cloud.publish(f"job-{number}")
                await asyncio.sleep(60)
                assert len(wait.early) == MAX_EARLY

    run(scenario())


def test_the_deadline_gives_every_open_job_an_outcome(run):
    async def scenario():
        cloud = FakeCloud({"job-1": "RUNNING", "job-2": "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                for job_id in cloud.states:
                    consumer.wait_also(wait, job_id)
                await consumer.keep_deadline(wait, Deadline(30.0))
                assert {outcome.state for outcome in await wait.settled()} == {"TIMEOUT"}

    run(scenario())


def test_a_queue_that_does_not_exist_fails_the_wait(run):
    async def scenario():
        cloud = FakeCloud({"job-1": "RUNNING"})
        cloud.queue_error = CmqQueueNotFoundError("BatchReceiveMessage", 4440, 10100, "no queue", "q")
        async with running(cloud.consumer()) as consumer:
            with consumer.open_wait() as wait:
                consumer.wait_also(wait, "job-1")
                with pytest.raises(WaitQueueNotFoundError):
                    await wait.settled()
            with pytest.raises(WaitQueueNotFoundError), consumer.open_wait():
                pass

    run(scenario())


@pytest.mark.parametrize(("beside", "least", "most"), [(False, 4, 12), (True, 15, 45)])
def test_messages_gather_as_long_as_nobody_else_waits(run, beside, least, most):
    async def scenario():
        cloud = FakeCloud({f"job-{number}": "RUNNING" for number in range(41)})
        async with running(cloud.consumer()) as consumer:
            other = asyncio.ensure_future(consumer.wait_for(["job-40"])) if beside else None
            with consumer.open_wait() as wait:
                for number in range(40):
                    consumer.wait_also(wait, f"job-{number}")
                await asyncio.sleep(20)
                before, ended = len(cloud.receives), 0
                for number in range(40):
                    cloud.finish(f"job-{number}")
                    await asyncio.sleep(0.05)
                while ended < 40:
                    ended += len(await wait.settled())
                assert least <= len(cloud.receives) - before <= most
            if other is not None:
                cloud.finish("job-40")
                await other

    run(scenario())
