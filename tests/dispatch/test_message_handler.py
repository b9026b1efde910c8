# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging

import pytest
from dispatch.waits import JOB, job_ids, settle
from support.fake_cloud import FakeCloud, running


def test_an_orphan_is_deleted_when_it_is_old(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer(orphan_ttl=120)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.publish("job-somebody")
            await asyncio.sleep(115)
            assert len(cloud.left) == 1
            await asyncio.sleep(45)
            assert cloud.left == []
            wait.cancel()

    run(scenario())


def test_a_new_reader_gives_an_old_orphan_the_same_time(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        cloud.publish("job-somebody")
        await asyncio.sleep(1000)
        async with running(cloud.consumer(orphan_ttl=120)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await asyncio.sleep(100)
            assert len(cloud.left) == 1
            await asyncio.sleep(60)
            assert cloud.left == []
            wait.cancel()

    run(scenario())


@pytest.mark.parametrize(
    "body", ["hello", "{}", "\x00" * 1_048_576, '{"Events": []}'], ids=["text", "{}", "1 MB", "[]"]
)
def test_what_is_no_event_stays_in_the_queue(run, body, caplog):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        cloud.put(body)
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await asyncio.sleep(500)
            cloud.finish(JOB)
            await asyncio.wait_for(wait, 1)
        assert cloud.left == [body]

    with caplog.at_level(logging.INFO):
        run(scenario())
    assert len([record for record in caplog.records if "Left message" in record.message]) == 1
    assert body not in caplog.text


def test_a_message_is_left_when_some_of_its_events_are(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            bodies = [FakeCloud().publish(job_id) for job_id in (JOB, "job-somebody")]
            cloud.put(json.dumps({"Events": [event for body in bodies for event in json.loads(body)["Events"]]}))
            (outcome,) = await wait
            assert outcome.state == "SUCCEED"
            await settle()
        assert len(cloud.left) == 1

    run(scenario())


def test_a_message_that_fails_costs_the_others_nothing(run):
    """A body that is no text, which no parser has foreseen."""

    async def scenario():
        cloud = FakeCloud(dict.fromkeys(job_ids(10), "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(job_ids(10)))
            await settle()
            cloud.put(7)
            for job_id in job_ids(10):
                cloud.finish(job_id)
            outcomes = await asyncio.wait_for(wait, 1)
            assert {outcome.source for outcome in outcomes} == {"event"}
            assert consumer.metrics.counters["reader.outages"] == 0
        assert cloud.left == [7]

    run(scenario())
