# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging

import pytest
from dispatch.waits import JOB, job_ids, queue_missing, settle, until_no_poll_for
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.exceptions import TransportError


@pytest.mark.parametrize("error", [queue_missing(), TransportError("connection refused")])
def test_a_queue_that_fails_later_is_read_again(run, error, caplog):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.queue_error = error
            await asyncio.sleep(3600)
            polls = len(cloud.describes)
            assert 200 <= polls <= 400, "one poll every 15 s at the most"
            assert len(cloud.receives) < 400
            cloud.states[JOB] = "FAILED"
            (outcome,) = await asyncio.wait_for(wait, 16)
            assert outcome.source == "api"
            # It recovers by itself.
            cloud.queue_error = None
            cloud.states["job-2"] = "RUNNING"
            wait = asyncio.ensure_future(consumer.wait_for(["job-2"]))
            # Long enough for the last of the frequent polls.
            await asyncio.sleep(60)
            await until_no_poll_for(3, cloud)
            cloud.finish("job-2")
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"

    with caplog.at_level(logging.INFO):
        run(scenario())
    warnings = [record for record in caplog.records if "Cannot read" in record.message]
    assert 30 <= len(warnings) <= 61, "one warning a minute"


def test_a_receive_that_never_ends_is_an_outage(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=300))
            await settle()
            cloud.queue_latency = 1e9
            await asyncio.sleep(30)
            assert consumer.metrics.counters["reader.outages"] == 1
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await asyncio.wait_for(wait, 16)
            assert outcome.source == "api"
            cloud.queue_latency = 0.001

    run(scenario())


def test_a_queue_full_of_others_messages_is_read_gently(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        for number in range(2000):
            cloud.put(f"foreign {number}")
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=300))
            await asyncio.sleep(60)
            assert len(cloud.receives) <= 300
            cloud.finish(JOB)
            await asyncio.wait_for(wait, 301)
        assert len(cloud.left) in (2000, 2001)

    run(scenario())


def test_no_wait_waits_behind_others_messages(run, caplog):
    async def scenario():
        ids = job_ids(500)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        for number in range(5_000):
            cloud.put(f"foreign {number}")
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids, reconcile_interval=300))
            await asyncio.sleep(6)
            for job_id in ids:
                cloud.finish(job_id)
            outcomes = await asyncio.wait_for(wait, 16)
            assert {outcome.state for outcome in outcomes} == {"SUCCEED"}
            assert len(cloud.receives) <= 5 * 22
            assert len(cloud.describes) <= 4 * 5

    with caplog.at_level(logging.WARNING):
        run(scenario())
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    (warning,) = [line for line in warnings if not line.startswith("Left message")]
    assert len(warnings) <= 17, "not one line for each of the others' messages"
    assert "is full of messages that no wait or watcher here takes" in warning
    assert "airflow-batch-events provision" in warning


def test_a_queue_is_healthy_again_without_others_messages(run, caplog):
    async def scenario():
        ids = job_ids(500)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        for number in range(1_000):
            cloud.publish(f"other-{number}", "JOB_RUNNING")
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids, reconcile_interval=300))
            await asyncio.sleep(300)
            assert cloud.left == [], "nobody has waited for them for longer than orphan_ttl"
            polls = len(cloud.describes)
            await asyncio.sleep(600)
            assert len(cloud.describes) - polls <= 5 * 600 / 120
            wait.cancel()

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert "is not full of others' messages any more" in caplog.text
