# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from dispatch.waits import JOB, settle
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.loops.supervision import Isolation
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.dispatch.wait_registry import WaitGroup, WaitRegistry
from airflow_batch_events.events.outcome import JobWait


def test_two_waits_on_one_job_both_end(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            waits = [asyncio.ensure_future(consumer.wait_for([JOB])) for _ in range(2)]
            await settle()
            cloud.finish(JOB)
            outcomes = await asyncio.gather(*waits)
            assert [outcome.state for (outcome,) in outcomes] == ["SUCCEED", "SUCCEED"]
        assert [len(handles) for handles in cloud.deletes] == [1]

    run(scenario())


def test_progress_goes_to_the_listener(run):
    async def scenario():
        cloud = FakeCloud({JOB: "STARTING"})
        heard = []
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], listener=lambda event: heard.append(event.name)))
            await settle()
            cloud.publish(JOB, "JOB_RUNNING")
            cloud.publish(JOB, "TASK_RUNNING", TaskName="main")
            await settle()
            cloud.finish(JOB)
            await wait
        assert heard == ["JOB_RUNNING", "TASK_RUNNING", "JOB_SUCCEED"]
        assert cloud.left == []

    run(scenario())


def test_a_listener_that_fails_costs_no_wait_its_event(run, caplog):
    def broken(event):
        raise RuntimeError("nobody has foreseen it")

    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            waits = [asyncio.ensure_future(consumer.wait_for([JOB], listener=it)) for it in (broken, None)]
            await settle()
            cloud.finish(JOB)
            outcomes = await asyncio.wait_for(asyncio.gather(*waits), 1)
            assert [outcome.source for (outcome,) in outcomes] == ["event", "event"]
            assert consumer.metrics.counters["errors"] == 1
        assert cloud.left == []

    run(scenario())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "The listener of job 'job-00000001' has failed; everything else goes on"


def test_a_job_is_left_by_its_last_wait(run):
    async def scenario():
        left = []
        registry = WaitRegistry(Isolation(Counts()), left.append)
        groups = [WaitGroup([JobWait(job_id, None) for job_id in ids], 60.0) for ids in ("ab", "bc")]
        for group in groups:
            registry.add(group)
        registry.on_poll("a", "SUCCEED", 1.0)
        registry.remove(groups[1])
        assert left == ["a", "c"]
        assert "b" in registry
        registry.on_poll("b", "FAILED", 2.0)
        assert left == ["a", "c", "b"]
        assert groups[0].done.done()
        assert [outcome.state for outcome in groups[0].outcomes] == ["SUCCEED", "FAILED"]
        assert len(registry) == 0

    run(scenario())


def test_the_shortest_interval_of_a_job_s_waits_counts(run):
    async def scenario():
        registry = WaitRegistry(Isolation(Counts()), lambda job_id: None)
        for seconds in (300.0, 60.0, 120.0):
            registry.add(WaitGroup([JobWait("a", None)], seconds))
        assert registry.reconcile_interval("a") == 60

    run(scenario())
