# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
import re

import pytest
from dispatch.waits import JOB, job_ids, throttled
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.exceptions import ApiCredentialsError, ApiNotFoundError, ApiServerError, TransportError


def test_an_api_that_cannot_be_read_ends_no_wait(run, caplog):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, api_error=ApiServerError("DescribeJobs", "InternalError", "oops"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], grace=60))
            await asyncio.sleep(3600)
            assert not wait.done()
            cloud.api_error = None
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await asyncio.wait_for(wait, 31)
            assert outcome.state == "SUCCEED"

    with caplog.at_level(logging.INFO):
        run(scenario())
    first, *more, last = [record.getMessage() for record in caplog.records]
    assert re.match(r"Cannot poll Batch jobs for queue 'q' in r \(try 1, .*oops", first)
    assert all(line.startswith("Cannot poll") for line in more)
    assert len(more) <= 24, "one line in ten tries, which are 15 s or more apart"
    assert re.match(r"Polling Batch jobs for queue 'q' in r again after \d+ failed tries", last)


def test_an_unknown_job_fails_after_its_grace_period(run):
    async def scenario():
        cloud = FakeCloud()
        async with running(cloud.consumer()) as consumer:
            began = cloud.now
            (outcome,) = await consumer.wait_for(["job-nowhere0"], grace=60)
            assert outcome.state == "NOT_FOUND"
            assert 60 <= cloud.now - began <= 70

    run(scenario())


def test_a_malformed_id_costs_the_others_nothing(run):
    async def scenario():
        ids = job_ids(99)
        cloud = FakeCloud(dict.fromkeys(ids, "SUCCEED"), malformed={"../etc"})
        async with running(cloud.consumer()) as consumer:
            waits = [consumer.wait_for([job_id]) for job_id in [*ids, "../etc"]]
            outcomes = [outcome for (outcome,) in await asyncio.wait_for(asyncio.gather(*waits), 10)]
            assert {outcome.state for outcome in outcomes[:-1]} == {"SUCCEED"}
            assert outcomes[-1].state == "REFUSED"
            assert "JobIdMalformed" in (outcomes[-1].reason or "")

    run(scenario())


@pytest.mark.parametrize("count", [2, 100, 990])
@pytest.mark.parametrize(
    "error",
    [
        ApiServerError("DescribeJobs", "InternalError", "oops"),
        ApiCredentialsError("DescribeJobs", "UnauthorizedOperation", "not this job"),
        ApiNotFoundError("DescribeJobs", "ResourceNotFound.Job", "no such job"),
        TransportError("HTTP 502"),
    ],
)
def test_a_job_that_makes_calls_fail_costs_the_others_nothing(run, error, count):
    """One bad item stops the others: whatever a call fails with, not only where the API names the id."""

    async def scenario():
        ids = job_ids(count)
        bad = ids[count // 2]
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"), fatal={bad: error})
        async with running(cloud.consumer(with_queue=False)) as consumer:
            waits = [asyncio.ensure_future(consumer.wait_for([job_id], reconcile_interval=60)) for job_id in ids]
            await asyncio.sleep(10)
            calls = len(cloud.describes)
            assert calls <= 40
            cloud.states = dict.fromkeys(ids, "SUCCEED")
            await asyncio.sleep(90)
            assert [job_id for job_id, wait in zip(ids, waits, strict=True) if not wait.done()] == [bad]
            cloud.fatal.clear()
            (outcome,) = await asyncio.wait_for(waits[count // 2], 31)
            assert outcome.state == "SUCCEED"

    run(scenario())


def test_an_outage_leaves_the_jobs_together(run):
    async def scenario():
        ids = job_ids(500)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"), api_error=ApiServerError("DescribeJobs", "InternalError", ""))
        async with running(cloud.consumer(with_queue=False)) as consumer:
            waits = asyncio.gather(*(consumer.wait_for([job_id], reconcile_interval=600) for job_id in ids))
            await asyncio.sleep(3600)
            assert len(cloud.describes) <= 4 * 240
            cloud.api_error, cloud.states = None, dict.fromkeys(ids, "SUCCEED")
            before = len(cloud.describes)
            await asyncio.wait_for(waits, 35)
            assert len(cloud.describes) - before <= 10

    run(scenario())


def test_polls_slow_down_when_they_are_throttled(run):
    async def scenario():
        ids = job_ids(1000)
        cloud = FakeCloud(dict.fromkeys(ids, "SUCCEED"), api_error=throttled())
        async with running(cloud.consumer()) as consumer:
            waits = asyncio.gather(*(consumer.wait_for([job_id]) for job_id in ids))
            await asyncio.sleep(60)
            assert len(cloud.describes) <= 45
            cloud.api_error = None
            await asyncio.wait_for(waits, 30)

    run(scenario())


def test_an_unreadable_answer_ends_nothing(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, unreadable={JOB})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], grace=3, reconcile_interval=1))
            await asyncio.sleep(600)
            assert not wait.done()
            assert len(cloud.describes) <= 60
            cloud.unreadable.clear()
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await asyncio.wait_for(wait, 31)
            assert outcome.source == "api"

    run(scenario())


def test_an_unreadable_job_costs_the_others_nothing(run):
    async def scenario():
        ids = job_ids(100)
        cloud = FakeCloud(dict.fromkeys(ids, "SUCCEED"), unreadable={ids[50]})
        # Not visible, which an answer that is not complete does not tell.
        del cloud.states[ids[7]]
        async with running(cloud.consumer()) as consumer:
            waits = [asyncio.ensure_future(consumer.wait_for([job_id], grace=30)) for job_id in ids]
            await asyncio.sleep(120)
            ended = [wait.result()[0].state for wait in waits if wait.done()]
            assert sorted(ended) == ["NOT_FOUND", *["SUCCEED"] * 98]
            assert not waits[50].done()
            assert len(cloud.describes) <= 60
            waits[50].cancel()

    run(scenario())


def test_one_refusal_ends_nothing(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, malformed={JOB})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await asyncio.sleep(1)
            cloud.malformed.clear()
            await asyncio.sleep(60)
            assert not wait.done()
            wait.cancel()

    run(scenario())


def test_a_refused_id_is_asked_for_alone(run):
    async def scenario():
        ids = job_ids(99)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"), malformed={"../etc"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids, reconcile_interval=5))
            (outcome,) = await asyncio.wait_for(consumer.wait_for(["../etc"]), 15)
            assert outcome.state == "REFUSED"
            assert len(cloud.describes) <= 25
            asked_for = [asked for _, asked in cloud.describes if "../etc" in asked]
            assert [len(asked) for asked in asked_for[-3:]] == [1, 1, 1]
            wait.cancel()

    run(scenario())


def test_a_slow_api_is_not_down(run):
    async def scenario():
        cloud = FakeCloud({JOB: "SUCCEED"}, api_latency=20)
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB]), 60)
            assert outcome.source == "api"

    run(scenario())
