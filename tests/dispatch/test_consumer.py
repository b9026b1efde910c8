# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
import re
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from support.fake_cloud import START, FakeCloud, running

from airflow_batch_events.dispatch import message_handler, reader
from airflow_batch_events.dispatch.poll_schedule import PollSchedule
from airflow_batch_events.dispatch.shared_consumers import shared_consumer
from airflow_batch_events.events.message import parse_message
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiNotFoundError,
    ApiServerError,
    ApiThrottledError,
    CmqCredentialsError,
    CmqParameterError,
    CmqQueueNotFoundError,
    ConfigurationError,
    CredentialsError,
    TransportError,
    WaitQueueNotFoundError,
)

JOB = "job-00000001"


def job_ids(count):
    return [f"job-{number:08d}" for number in range(count)]


async def settle():
    """Let what was started get as far as its first looks."""
    await asyncio.sleep(2)


async def until_no_poll_for(seconds, cloud):
    """Let a look pass, if one is about to come: an event right after it would be checked by another."""
    polls = -1
    while polls != len(cloud.describes):
        polls = len(cloud.describes)
        await asyncio.sleep(seconds)


def queue_missing():
    return CmqQueueNotFoundError("BatchReceiveMessage", 4440, 10100, "queue is not existed, or deleted", "q")


def throttled():
    return ApiThrottledError("DescribeJobs", "RequestLimitExceeded", "slow down")


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


def test_a_wait_for_a_job_that_has_ended_is_over_after_one_poll(run):
    async def scenario():
        cloud = FakeCloud({JOB: "SUCCEED"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB]), 1)
            assert (outcome.state, outcome.source) == ("SUCCEED", "api")

    run(scenario())


def test_outcomes_come_back_in_the_order_of_the_ids(run):
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


def test_two_waits_on_one_job_both_end_and_its_message_is_deleted_once(run):
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


def test_a_hundred_waits_cost_calls_in_proportion_to_batches_not_to_waits(run):
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


def test_a_lost_event_costs_no_more_than_the_reconcile_interval(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=300))
            await settle()
            cloud.states[JOB] = "SUCCEED"
            (outcome,) = await asyncio.wait_for(wait, 301)
            assert outcome.source == "api"

    run(scenario())


def test_an_old_event_is_checked_by_a_poll_and_does_not_end_the_wait(run):
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


def test_an_event_for_nobody_is_left_until_it_is_old_and_then_deleted(run):
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


def test_an_old_event_gets_the_same_time_from_a_reader_that_has_just_started(run):
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
def test_what_is_not_an_event_stays_in_the_queue_and_the_reader_goes_on(run, body, caplog):
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


def test_a_message_is_left_when_only_some_of_its_events_were_taken(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            both = cloud.publish(JOB)[:-2] + ", " + cloud.publish("job-somebody")[len('{"Events": [') :]
            cloud._messages.clear()
            cloud._visible_at.clear()
            cloud.put(both)
            (outcome,) = await wait
            assert outcome.state == "SUCCEED"
            await settle()
        assert len(cloud.left) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (queue_missing(), WaitQueueNotFoundError, "queue 'q' in r does not exist: create it"),
        (
            CmqCredentialsError("BatchReceiveMessage", 4100, 10030, "authentication failed", "q"),
            CredentialsError,
            "keys",
        ),
        (
            CmqParameterError("BatchReceiveMessage", 4000, 10050, "queueName is invalid", "-q-"),
            WaitQueueNotFoundError,
            "cannot exist: correct queue_name",
        ),
    ],
)
def test_a_setting_that_is_wrong_at_first_contact_fails_every_wait_at_once(run, error, expected, words):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, queue_error=error)
        async with running(cloud.consumer()) as consumer:
            waits = [consumer.wait_for([JOB]) for _ in range(3)]
            results = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 1)
            for result in results:
                assert isinstance(result, expected)
                assert words in str(result)
            with pytest.raises(expected):
                await consumer.wait_for([JOB])
        assert cloud.closed == 1

    run(scenario())


def test_keys_that_the_api_refuses_at_first_contact_fail_every_wait(run):
    async def scenario():
        error = ApiCredentialsError("DescribeJobs", "AuthFailure.SecretIdNotFound", "no such key")
        cloud = FakeCloud(api_error=error)
        async with running(cloud.consumer()) as consumer:
            with pytest.raises(CredentialsError, match="refused the keys for queue 'q' in r"):
                await asyncio.wait_for(consumer.wait_for([JOB]), 1)

    run(scenario())


@pytest.mark.parametrize("error", [queue_missing(), TransportError("connection refused")])
def test_a_queue_that_fails_later_is_transient_and_makes_polls(run, error, caplog):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await settle()
            cloud.queue_error = error
            await asyncio.sleep(3600)
            polls = len(cloud.describes)
            assert 200 <= polls <= 400, "one look every 15 s at the most"
            assert len(cloud.receives) < 400
            cloud.states[JOB] = "FAILED"
            (outcome,) = await asyncio.wait_for(wait, 16)
            assert outcome.source == "api"
            # It recovers by itself.
            cloud.queue_error = None
            cloud.states["job-2"] = "RUNNING"
            wait = asyncio.ensure_future(consumer.wait_for(["job-2"]))
            # Long enough for the last of the frequent looks.
            await asyncio.sleep(60)
            await until_no_poll_for(3, cloud)
            cloud.finish("job-2")
            (outcome,) = await asyncio.wait_for(wait, 1)
            assert outcome.source == "event"

    with caplog.at_level(logging.INFO):
        run(scenario())
    warnings = [record for record in caplog.records if "Cannot read" in record.message]
    assert 30 <= len(warnings) <= 61, "one warning a minute"


def test_an_api_that_cannot_be_read_never_ends_a_wait_and_the_log_says_whose_when_and_that_it_is_over(run, caplog):
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


def test_one_malformed_id_does_not_cost_the_others_their_answer(run):
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
def test_one_job_that_makes_its_calls_fail_does_not_cost_the_others_their_answer(run, error, count):
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


def test_polls_slow_down_when_the_account_s_limit_is_hit(run):
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


def test_a_deadline_polls_a_last_time_so_that_a_lost_event_is_no_time_out(run):
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


def test_progress_events_go_to_the_listener_and_are_deleted(run):
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


def test_what_was_handed_out_is_deleted_even_when_the_consumer_stops_at_once(run):
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


def test_waits_share_one_consumer_that_ends_with_the_last_of_them(run):
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


def test_a_consumer_that_failed_at_first_contact_is_replaced_by_the_next_wait(run):
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


def test_a_queue_full_of_foreign_messages_is_read_gently_and_does_not_hide_the_truth(run):
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


def test_events_of_another_triggerer_s_jobs_make_the_polls_more_frequent_for_a_while(run):
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


@pytest.mark.parametrize("waits", [1, 100, 300, 2_000])
def test_polls_cost_one_call_in_half_a_minute_however_few_wait_and_keep_the_interval_however_many_do(run, waits):
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
            looked = [at for at, asked in cloud.describes if ids[-1] in asked]
            gaps = [later - earlier for earlier, later in itertools.pairwise(looked)]
            assert max(gaps) <= min(301, 31 * batches)
            wait.cancel()

    run(scenario())


@pytest.mark.parametrize("triggerers", [2, 3])
@pytest.mark.parametrize("jobs", [1, 20, 200])
def test_an_event_that_another_triggerer_has_read_costs_its_owner_one_visibility_timeout(run, triggerers, jobs):
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


def test_a_wait_does_not_wait_behind_others_messages_and_the_log_says_once_why_events_come_late(run, caplog):
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
    assert "is full of messages that nobody here waits for" in warning
    assert "airflow-batch-events provision" in warning


def test_a_queue_that_was_full_of_others_messages_counts_as_healthy_again_when_they_are_gone(run, caplog):
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


def test_a_job_that_does_not_begin_ends_its_wait_and_one_that_runs_does_not(run):
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


# One bad item and the others.


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
def test_a_nonsensical_duration_ends_its_own_wait_with_the_parameter_s_name_and_disturbs_no_other(run, name, value):
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


def test_no_wait_makes_everybody_s_polls_more_frequent_than_once_a_second(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer(with_queue=False)) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for([JOB], reconcile_interval=0))
            await asyncio.sleep(100)
            assert len(cloud.describes) <= 130
            wait.cancel()

    run(scenario())


def test_a_listener_that_fails_costs_neither_its_wait_nor_another_the_event(run, caplog):
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


def test_a_message_whose_handling_fails_does_not_cost_the_others_of_its_call_theirs(run, monkeypatch):
    def broken(body):
        if body == "bad":
            raise RuntimeError("nobody has foreseen it")
        return parse_message(body)

    monkeypatch.setattr(message_handler, "parse_message", broken)

    async def scenario():
        cloud = FakeCloud(dict.fromkeys(job_ids(10), "RUNNING"))
        async with running(cloud.consumer()) as consumer:
            wait = asyncio.ensure_future(consumer.wait_for(job_ids(10)))
            await settle()
            cloud.put("bad")
            for job_id in job_ids(10):
                cloud.finish(job_id)
            outcomes = await asyncio.wait_for(wait, 1)
            assert {outcome.source for outcome in outcomes} == {"event"}
            assert consumer.metrics.counters["reader.outages"] == 0
        assert cloud.left == ["bad"]

    run(scenario())


@pytest.mark.parametrize("loop", ["reader", "poller"])
def test_a_loop_that_dies_unforeseen_is_started_again_and_no_wait_fails(run, monkeypatch, loop):
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


# What cannot be read is not what is not there.


def test_an_answer_that_says_nothing_that_can_be_read_about_a_job_ends_nothing_and_is_asked_for_with_backoff(run):
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


def test_one_job_that_cannot_be_read_costs_the_others_of_its_call_no_answer_and_few_calls(run):
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


def test_one_refusal_of_an_id_ends_nothing(run):
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


def test_an_id_that_is_refused_is_asked_for_alone_from_then_on(run):
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


# Clocks.


@pytest.mark.parametrize("day", [86_400, -86_400])
def test_one_date_that_is_a_day_off_ends_no_wait_and_deletes_no_event(run, day):
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
def test_a_cloud_whose_clock_stays_a_day_off_ends_no_wait_deletes_no_young_event_and_events_are_believed(run, day):
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
def test_events_are_believed_as_soon_as_a_clock_is_learned_that_differs_from_this_machine_s(run, error):
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


@pytest.mark.parametrize("error", [3600.0, -600.0, 86_400.0])
def test_a_wait_lasts_as_long_as_it_was_told_to_whatever_this_machine_s_clock_says(run, error):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, wall_error=error)
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await consumer.wait_for([JOB], timeout="300", deadline=cloud.now + 300)
            assert outcome.state == "TIMEOUT"
            assert 299 <= asyncio.get_running_loop().time() <= 310

    run(scenario())


def test_a_wait_that_begins_anew_has_left_what_its_deadline_leaves(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await consumer.wait_for([JOB], timeout=300, deadline=cloud.now + 100)
            assert outcome.state == "TIMEOUT"
            assert 99 <= asyncio.get_running_loop().time() <= 110

    run(scenario())


def test_a_start_timeout_that_is_longer_than_the_timeout_does_not_make_it_wait(run):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNABLE"})
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB], timeout=50, start_timeout=500), 60)
            assert outcome.state == "TIMEOUT"

    run(scenario())


# Calls without an end.


def test_an_api_that_answers_slowly_but_rightly_is_not_down(run):
    async def scenario():
        cloud = FakeCloud({JOB: "SUCCEED"}, api_latency=20)
        async with running(cloud.consumer()) as consumer:
            (outcome,) = await asyncio.wait_for(consumer.wait_for([JOB]), 60)
            assert outcome.source == "api"

    run(scenario())


def test_a_deadline_waits_for_the_answer_of_a_slow_api(run):
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


def test_a_receive_that_never_ends_is_noticed_and_the_waits_are_polled(run):
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


# Doubtful events.


@pytest.mark.parametrize("doubtful", [{"at": 299}, {"region": "ap-elsewhere"}, {"text": "now"}])
def test_a_doubtful_event_is_checked_by_a_poll_at_once(run, doubtful):
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
