# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools
import json
import random
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from dispatch.waits import JOB, job_ids, settle, until_no_poll_for
from support.fake_cloud import START, FakeCloud, running

from airflow_batch_events.dispatch import reader
from airflow_batch_events.dispatch.poll_schedule import PollSchedule
from airflow_batch_events.exceptions import ConfigurationError


def test_a_wait_ends_as_soon_as_its_event_can_be_read(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.finish(JOB, "FAILED")
            (outcome,) = await asyncio.wait_for(wait, 0.1)
            assert (outcome.state, outcome.source, outcome.event_name) == ("FAILED", "event", "JOB_FAILED")
        assert cloud.left == []

    run(scenario())


def test_a_job_that_has_ended_costs_one_poll(run):
    async def scenario():
        cloud = FakeCloud({JOB: "SUCCEED"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB]), 1)
            assert (outcome.state, outcome.source) == ("SUCCEED", "api")

    run(scenario())


def test_outcomes_are_in_the_order_of_the_ids(run):
    async def scenario():
        ids = job_ids(5)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids))
            await settle()
            for job_id in reversed(ids):
                cloud.finish(job_id)
                await asyncio.sleep(1)
            assert [outcome.job_id for outcome in await wait] == ids

    run(scenario())


def test_calls_grow_with_batches_and_not_with_waits(run):
    async def scenario():
        ids = job_ids(100)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            waits = [asyncio.ensure_future(consumer.wait_for([job_id])) for job_id in ids]
            await asyncio.sleep(30)
            idle = len(cloud.receives)
            assert idle <= 12, "one long poll of 3 s at a time"
            assert len(cloud.describes) <= 2, "one call for all of them at first, and every half minute"
            for job_id in ids:
                cloud.finish(job_id)
            await asyncio.gather(*waits)
            await settle()
        assert len(cloud.receives) - idle <= 12
        assert len(cloud.deletes) <= 8
        assert len(cloud.describes) <= 2
        assert cloud.left == []

    run(scenario())


def test_a_lost_event_costs_one_interval(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=300))
            await settle()
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await asyncio.wait_for(wait, 301)
            assert outcome.source == "api"

    run(scenario())


def test_an_old_event_is_checked_by_a_poll(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            polls = len(cloud.describes)
            cloud.publish(JOB, "JOB_FAILED", at=START - 3600)
            await asyncio.sleep(10)
            assert not wait.done()
            assert len(cloud.describes) == polls + 1
            cloud.finish(JOB, "SUCCEED")
            (outcome,) = await wait
            assert outcome.state == "SUCCEED"

    run(scenario())


@pytest.mark.parametrize("doubtful", [{"at": 299}, {"region": "ap-elsewhere"}, {"text": "now"}])
def test_a_doubtful_event_is_checked_by_a_poll(run, doubtful):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            await until_no_poll_for(3, cloud)
            polls = len(cloud.describes)
            body = json.loads(cloud.publish("job-x", at=cloud.now + doubtful.get("at", 0)))
            event = body["Events"][0]
            event["Batch"]["JobId"] = JOB
            event["Region"] = doubtful.get("region", event["Region"])
            event["EventTime"] = doubtful.get("text", event["EventTime"])
            cloud.put(json.dumps(body))
            await asyncio.sleep(1)
            assert not wait.done()
            assert len(cloud.describes) == polls + 1
            wait.cancel()

    run(scenario())


def test_others_events_make_polls_more_frequent(run):
    async def scenario():
        others = [f"other-{number:04d}" for number in range(1_000)]
        cloud = FakeCloud(dict.fromkeys([JOB, *others], "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=300))
            other = asyncio.ensure_future(consumer.wait_for(others, reconcile_interval=300))
            await settle()
            cloud.publish("job-of-another")
            await settle()
            cloud.states[JOB] = "SUCCEED"  # and the event went to the other triggerer
            (outcome,) = await asyncio.wait_for(wait, 31)
            assert outcome.source == "api"
            other.cancel()

    run(scenario())


def test_a_late_duplicate_is_no_sign_of_another_triggerer(run):
    async def scenario():
        others = [f"other-{number:04d}" for number in range(1_000)]
        cloud = FakeCloud(dict.fromkeys([JOB, *others], "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            other = asyncio.ensure_future(consumer.wait_for(others, reconcile_interval=300))
            await settle()
            cloud.finish(JOB)
            await wait
            cloud.publish(JOB)
            polls = len(cloud.describes)
            await asyncio.sleep(200)
            assert len(cloud.describes) == polls
            assert consumer.metrics.counters["events.duplicate"] >= 1
            other.cancel()

    run(scenario())


def test_a_duplicate_for_an_open_wait_is_no_sign_either(run):
    async def scenario():
        ids = job_ids(1_000)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids, reconcile_interval=300))
            await settle()
            cloud.finish(ids[0])
            await settle()
            cloud.publish(ids[0])
            polls = len(cloud.describes)
            await asyncio.sleep(200)
            assert len(cloud.describes) == polls
            assert consumer.metrics.counters["events.duplicate"] >= 1
            wait.cancel()

    run(scenario())


@pytest.mark.parametrize("triggerers", [2, 3])
@pytest.mark.parametrize("jobs", [1, 20, 200])
def test_an_event_read_elsewhere_costs_half_a_minute(run, triggerers, jobs):
    async def scenario():
        rng = random.Random(f"{triggerers} {jobs}")
        loop = asyncio.get_running_loop()
        ids = job_ids(jobs)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"), visibility_timeout=30)
        delays = []

        async def measure(job_id, consumer):
            wait = asyncio.ensure_future(consumer.wait_for([job_id], reconcile_interval=300))
            await asyncio.sleep(5 + 60 * rng.random())
            ended = loop.time()
            cloud.finish(job_id)
            await asyncio.wait_for(wait, 301)
            delays.append(loop.time() - ended)

        async with AsyncExitStack() as stack:
            consumers = []
            for number in range(triggerers):
                await asyncio.sleep(3 * rng.random())
                consumers.append(await stack.enter_async_context(running(cloud.consumer())))
                # Something that each of them waits for all the time, so that each of them reads.
                cloud.states[f"long-{number}"] = "RUNNING"
                stack.callback(asyncio.ensure_future(consumers[-1].wait_for([f"long-{number}"])).cancel)
            await asyncio.gather(*(measure(job_id, rng.choice(consumers)) for job_id in ids))
        assert len(delays) == jobs
        assert max(delays) <= 31

    run(scenario())


def test_waits_without_a_queue_are_polled(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer(with_queue=False)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=30))
            await asyncio.sleep(600)
            assert 20 <= len(cloud.describes) <= 30
            cloud.states[JOB] = "SUCCEED"
            await asyncio.wait_for(wait, 31)
        assert cloud.receives == []

    run(scenario())


@pytest.mark.parametrize("waits", [1, 100, 300, 2_000])
def test_polls_cost_one_call_in_half_a_minute(run, waits):
    async def scenario():
        ids = job_ids(waits)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(ids, reconcile_interval=300))
            await asyncio.sleep(10)
            first = len(cloud.describes)
            await asyncio.sleep(1_200)
            calls = len(cloud.describes) - first
            batches = -(-waits // 100)
            assert calls <= 1_230 / min(24.0, 240.0 / batches)
            polled = [at for at, asked in cloud.describes if ids[-1] in asked]
            gaps = [later - earlier for earlier, later in itertools.pairwise(polled)]
            assert max(gaps) <= min(301, 31 * batches)
            wait.cancel()

    run(scenario())


def test_no_wait_is_polled_more_than_once_a_second(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer(with_queue=False)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=0))
            await asyncio.sleep(100)
            assert len(cloud.describes) <= 130
            wait.cancel()

    run(scenario())


@pytest.mark.parametrize("interval", ["60", "1e2", timedelta(seconds=60), 60])
def test_an_interval_is_taken_as_people_write_it(run, interval):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer(with_queue=False)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=interval))
            await asyncio.sleep(600)
            assert 5 <= len(cloud.describes) <= 15
            wait.cancel()

    run(scenario())


@pytest.mark.parametrize("name", ["reconcile_interval", "grace", "timeout", "deadline", "start_timeout"])
@pytest.mark.parametrize("value", ["soon", -1, float("nan"), float("inf"), "inf", [], {}, True, object()])
def test_nonsense_ends_its_own_wait_and_names_the_parameter(run, name, value):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING", "job-2": "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=60))
            with pytest.raises(ConfigurationError, match=name):
                await consumer.wait_for(["job-2"], **{name: value})
            await settle()
            cloud.states[JOB] = "SUCCEED"
            await asyncio.wait_for(wait, 61)

    run(scenario())


def test_what_was_handed_out_is_deleted_before_the_end(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        consumer = cloud.consumer()
        async with running(consumer):
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.finish(JOB)
            await wait
        assert cloud.left == []
        assert cloud.closed == 1

    run(scenario())


@pytest.mark.parametrize("loop", ["reader", "poller"])
def test_a_loop_that_dies_is_started_again(run, monkeypatch, loop):
    owner, method = {"reader": (reader.Reader, "_pause"), "poller": (PollSchedule, "gather_for")}[loop]
    right, deaths = getattr(owner, method), iter(range(3))

    def deadly(self, *args):
        if next(deaths, None) is not None:
            raise RuntimeError("nobody has foreseen it")
        return right(self, *args)

    monkeypatch.setattr(owner, method, deadly)

    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await asyncio.sleep(60)
            assert consumer.metrics.counters["loops.restarted"] >= 1
            await until_no_poll_for(3, cloud)
            cloud.finish(JOB)
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"

    run(scenario())


@pytest.mark.parametrize("day", [86_400, -86_400])
def test_one_wrong_date_ends_and_deletes_nothing(run, day):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING", "job-2": "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], deadline=cloud.now + 3600, reconcile_interval=60))
            await settle()
            cloud.date_error = day
            await asyncio.sleep(7)
            cloud.date_error = 0
            cloud.publish("job-of-another")
            await asyncio.sleep(30)
            assert not wait.done()
            assert len(cloud.left) == 1
            await until_no_poll_for(3, cloud)
            cloud.finish(JOB)
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"

    run(scenario())


@pytest.mark.parametrize("day", [86_400, -86_400])
def test_a_clock_that_jumped_is_believed_in_the_end(run, day):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, visibility_timeout=5)
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], deadline=cloud.now + 3600))
            await settle()
            cloud.date_error = day
            await asyncio.sleep(60)
            assert consumer.clock.jumps == 1
            cloud.publish("job-of-another")
            await asyncio.sleep(100)
            assert len(cloud.left) == 1
            assert not wait.done()
            await until_no_poll_for(3, cloud)
            cloud.publish(JOB, at=cloud.now + day)
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"

    run(scenario())


@pytest.mark.parametrize("error", [3600.0, -86_400.0])
def test_events_are_believed_once_the_clock_is_known(run, error):
    """A clock believed at once: what empty receives have told is known before the first event comes."""

    async def scenario():
        ids = job_ids(500)
        cloud = FakeCloud(dict.fromkeys(ids, "RUNNING"), wall_error=error)
        async with running(cloud.consumer()) as consumer:
            waits = asyncio.gather(*(consumer.wait_for([job_id]) for job_id in ids))
            await asyncio.sleep(40)
            for job_id in ids:
                cloud.finish(job_id)
            assert {outcome.source for (outcome,) in await asyncio.wait_for(waits, 5)} == {"event"}

    run(scenario())
