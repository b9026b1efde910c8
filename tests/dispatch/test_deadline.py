# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from dispatch.waits import JOB, settle
from hypothesis import given
from hypothesis import strategies as st
from support.fake_cloud import START, FakeCloud, running

from airflow_batch_events.dispatch.deadline import Deadline

NOW = 1_767_225_600.0
times = st.floats(0, 1e10)
clocks = st.none() | times


def test_a_wait_without_limits_has_no_end():
    assert not Deadline().is_set
    assert Deadline().left(1e9, NOW, NOW) is None


def test_a_timeout_is_counted_by_no_wall_clock():
    limit = Deadline(timeout=300)
    assert limit.left(100, None, 0.0) == 200
    assert limit.left(300, None, 0.0) == 0


def test_a_deadline_shortens_a_wait_that_began_anew():
    assert Deadline(timeout=300, at=NOW + 10).left(0, NOW, NOW) == 10


@pytest.mark.parametrize(
    ("cloud", "wall"),
    [(NOW, NOW + 86_400), (NOW + 86_400, NOW), (None, NOW + 86_400)],
    ids=["this machine's is fast", "the cloud's was learned wrong", "the cloud's is not known"],
)
def test_neither_clock_ends_a_wait_alone(cloud, wall):
    left = Deadline(at=NOW + 60).left(1e6, cloud, wall)
    assert left is None or left > 0


@given(timeout=st.none() | times, at=st.none() | times, elapsed=times, cloud=clocks, wall=times)
def test_a_wait_is_over_when_it_has_lasted_or_both_clocks_say_so(timeout, at, elapsed, cloud, wall):
    left = Deadline(timeout, at).left(elapsed, cloud, wall)
    is_over = (timeout is not None and elapsed >= timeout) or (
        at is not None and cloud is not None and cloud >= at and wall >= at
    )
    assert (left == 0.0) == is_over
    assert left is None or left >= 0


@given(timeout=times, at=times, elapsed=times, cloud=clocks, wall=times)
def test_no_deadline_lengthens_a_timeout(timeout, at, elapsed, cloud, wall):
    left = Deadline(timeout, at).left(elapsed, cloud, wall)
    assert left is not None
    assert left <= max(0.0, timeout - elapsed)


def test_the_deadline_ends_a_wait_by_itself(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            assert await consumer.wait_for([]) == []
            began = cloud.now
            await asyncio.sleep(1)
            # The clock is learned with the first answer; a deadline is a time of the cloud's.
            warm_up = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            (outcome,) = await consumer.wait_for([JOB], deadline=began + 100)
            assert outcome.state == "TIMEOUT"
            assert 99 <= cloud.now - began <= 107
            warm_up.cancel()

    run(scenario())


def test_a_deadline_polls_a_last_time(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            warm_up = asyncio.ensure_future(consumer.wait_for(["job-other"]))
            await settle()
            wait = asyncio.ensure_future(consumer.wait_for([JOB], deadline=cloud.now + 100))
            await settle()
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await wait
            assert (outcome.state, outcome.source) == ("SUCCEED", "api")
            warm_up.cancel()

    run(scenario())


def test_a_deadline_waits_for_a_slow_api(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], timeout=100))
            await settle()
            cloud.api_latency = 12
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await wait
            assert outcome.state == "SUCCEED"

    run(scenario())


def test_a_job_that_does_not_begin_ends_its_wait(run):
    async def scenario():
        cloud = FakeCloud({"job-stuck": "RUNNABLE", "job-runs": "RUNNING", "job-begun": "STARTING"})
        async with running(cloud.consumer()) as consumer:
            limits = {"start_deadline": START + 60, "deadline": START + 1000}
            waits = [
                asyncio.ensure_future(consumer.wait_for([job_id], **limits))
                for job_id in ("job-stuck", "job-runs", "job-begun")
            ]
            await settle()
            cloud.publish("job-begun", "JOB_RUNNING")
            (stuck,) = await asyncio.wait_for(waits[0], 80)
            assert stuck.state == "NOT_STARTED"
            await asyncio.sleep(60)
            assert not waits[1].done()
            assert not waits[2].done()
            cloud.finish("job-runs")
            cloud.finish("job-begun")
            assert [outcome.state for (outcome,) in await asyncio.gather(*waits[1:])] == ["SUCCEED", "SUCCEED"]

    run(scenario())


def test_a_longer_start_timeout_lengthens_no_wait(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNABLE"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB], timeout=50, start_timeout=500), 60)
            assert outcome.state == "TIMEOUT"

    run(scenario())


@pytest.mark.parametrize("error", [3600.0, -600.0, 86_400.0])
def test_no_clock_of_this_machine_changes_a_timeout(run, error):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, wall_error=error)
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await consumer.wait_for([JOB], timeout="300", deadline=cloud.now + 300)
            assert outcome.state == "TIMEOUT"
            assert 299 <= asyncio.get_running_loop().time() <= 310

    run(scenario())


def test_a_wait_begun_anew_has_what_its_deadline_leaves(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await consumer.wait_for([JOB], timeout=300, deadline=cloud.now + 100)
            assert outcome.state == "TIMEOUT"
            assert 99 <= asyncio.get_running_loop().time() <= 110

    run(scenario())
