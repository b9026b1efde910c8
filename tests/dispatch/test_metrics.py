# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from dispatch.waits import JOB, settle
from support.fake_cloud import START, FakeCloud, running

from airflow_batch_events.dispatch.metrics import IsolatedMetrics


def test_what_happened_is_counted(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            assert consumer.metrics.levels["waits"] == 1
            cloud.put("noise")
            cloud.publish("job-of-another")
            cloud.publish(JOB, "JOB_FAILED", at=START - 100)
            await settle()
            cloud.finish(JOB)
            await wait
            await asyncio.sleep(0.5)
            counted = consumer.metrics.counters
            assert {name: counted[f"events.{name}"] for name in ("received", "dispatched", "stale")} == {
                "received": 4,
                "dispatched": 2,
                "stale": 1,
            }
            assert (counted["events.orphaned"], counted["events.unreadable"]) == (1, 1)
            assert consumer.metrics.levels["waits"] == 0

    run(scenario())


def test_metrics_that_fail_cost_no_event(run):
    class Broken:
        def fail(self, *_: object, **__: object) -> None:
            raise OSError("statsd is gone")

        count = time = level = fail

    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, metrics=Broken())
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.finish(JOB)
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"
        assert cloud.left == []

    run(scenario())


def test_a_backend_that_fails_costs_a_measurement_and_one_line(caplog):
    class Broken:
        def fail(self, *_: object, **__: object) -> None:
            raise OSError("statsd is gone")

        count = time = level = fail

    isolated = IsolatedMetrics(Broken())
    for _ in range(3):
        isolated.count("polls", 2, action="x")
        isolated.time("lag.event", 1.0)
        isolated.level("waits", 1)
    assert len(caplog.records) == 1
