# SPDX-License-Identifier: Apache-2.0
"""
What can go wrong, as data: each scenario is a name, the faults, and what is done when.

Seconds are those of the short form; the long form stretches them.
"""

from __future__ import annotations

import asyncio
import json
import random

from chaos.runner import INTERRUPT, QUEUE, TOPIC, Action, Run, Scenario, subscribe
from chaos.spoilers import DAY, answer_oddly, drip, misdate_all, misdate_some

from airflow_batch_events.protocol.apis import batch, tdmq
from tencent_batch_emulator.faults.rules import Fault

BLOCKING = 1_600
"""Messages that are more than a subscriber holds."""

QUICKLY_VISIBLE = tdmq.QueueSettings(visibility_timeout=2)
"""So that a message that was read by the wrong process comes back while a short scenario lasts."""


def kill_every(seconds: float, number: int) -> Action:
    """Kill a process and start another one, at random moments about so many seconds apart."""

    async def act(run: Run) -> None:
        kills = number if run.scale.stretch == 1 else run.scale.kills
        for _ in range(kills):
            await asyncio.sleep(seconds * run.scale.spread / 3 * run.rng.uniform(0.3, 1.7) * number / kills)
            await run.restart(run.rng.randrange(run.scenario.triggerers))

    return act


async def delete_queue(run: Run) -> None:
    """Take the queue away, and with it all messages and the subscription, once it has been read."""
    # A queue that is missing at first contact is a wrong setting, and fails the waits on purpose.
    await run.until(lambda: run.emulator.requests.count("BatchReceiveMessage") > 0)
    await run.api.send(tdmq.delete_queue(QUEUE))


async def create_queue(run: Run) -> None:
    """Put an empty one in its place."""
    await subscribe(run.api, run.scenario)


async def retry_failed_jobs(run: Run) -> None:
    """Retry all jobs, once all have failed; their old events are still on their way."""
    await run.wait_for_ends()
    for start in range(0, len(run.job_ids), 100):
        await run.api.send(batch.retry_jobs(run.job_ids[start : start + 100]))


async def wait_for_ends(run: Run) -> None:
    """Let all jobs end, and their events lie in the queue, before anybody waits."""
    await run.wait_for_ends()
    await run.emulator.batch.flush()


async def delete_jobs(run: Run) -> None:
    """Delete each job as soon as it has ended."""
    left = set(run.job_ids)
    while left:
        for job_id in [job_id for job_id in left if job_id in run.emulator.ends]:
            run.ledger.deleted.add(job_id)
            await run.api.send(batch.delete_job(job_id))
            left.discard(job_id)
        await asyncio.sleep(0.05)


async def send_poison(run: Run) -> None:
    """Send what nobody can read, and events that contradict what is true of jobs that still run."""
    job_id = run.job_ids[0]
    batch_of = {"JobId": job_id, "JobName": "chaos", "JobState": "RUNNING"}
    events = [
        {"EventName": "JOB_FAILED", "Region": run.emulator.region, "Batch": batch_of},
        {"EventName": "JOB_FAILED", "EventTime": "2001-01-01T00:00:00Z", "Region": "", "Batch": {"JobId": job_id}},
        {"EventName": "JOB_SUCCEED", "EventTime": "2999-01-01T00:00:00Z", "Region": "", "Batch": {"JobId": job_id}},
        {"EventName": "JOB_FAILED", "EventTime": ["now"], "Region": 7, "Batch": {"JobId": job_id, "JobState": {}}},
    ]
    bodies = [json.dumps({"Events": [event]}) for event in events]
    bodies += ["", "{", "[" * 10_000, '{"Events": {"EventName": 1}}', '"\\ud800"', "\x00" * 100, "null"]
    await run.emulator.broker.send(QUEUE, [body for body in bodies if body])


async def send_foreign(run: Run) -> None:
    """Fill the queue with messages of others: unreadable ones, and events of jobs that have no wait here."""
    rng = random.Random(run.scenario.name)
    for start in range(0, run.scale.foreign, 16):
        bodies = []
        for number in range(start, min(start + 16, run.scale.foreign)):
            if number % 2:
                bodies.append(f"somebody else's message {number}")
            else:
                job = {"JobId": f"job-{rng.getrandbits(40):010x}", "JobName": "other"}
                event = {"EventName": "JOB_RUNNING", "EventTime": "2026-01-01T00:00:00Z", "Batch": job}
                bodies.append(json.dumps({"Events": [event]}))
        await run.emulator.broker.send(QUEUE, bodies)


async def redeliver(run: Run) -> None:
    """Publish again every event that there was so far."""
    for bodies in list(run.emulator.bodies.values()):
        for body in bodies:
            await run.emulator.broker.publish(TOPIC, body)


async def retire_one(run: Run) -> None:
    """Kill a process for good; another one takes over its waits."""
    await run.retire(0)


async def cancel_all(run: Run) -> None:
    """End all waits at once."""
    await run.cancel_all()


async def block_subscriber(run: Run) -> None:
    """Block a subscriber with more messages than it can hold, all of them others'."""
    await run.block_subscriber()
    for start in range(0, BLOCKING, 16):
        await run.emulator.broker.send(QUEUE, [f"somebody else's message {start + number}" for number in range(16)])


def fails_once(rng: random.Random) -> str:
    """A job that fails at its first execution and succeeds at the second one, after RetryJobs."""
    return f"scripted: fail_first=1 duration={0.3 + rng.random():.2f}"


def deletable(rng: random.Random) -> str:
    """A job that can be deleted once it has ended, as one that is interrupted cannot."""
    return f"scripted: outcome={rng.choice(('succeed', 'failed'))} duration={0.5 + 2.5 * rng.random():.2f}"


def at_once(rng: random.Random) -> str:
    """A job that ends within half a second."""
    outcome, suffix = rng.choice((("succeed", ""), ("failed", ""), ("failed", INTERRUPT)))
    return f"scripted: outcome={outcome} duration={rng.random() / 2:.2f}{suffix}"


def lasting(rng: random.Random) -> str:
    """A job that runs for some seconds more than the others."""
    outcome, suffix = rng.choice((("succeed", ""), ("failed", ""), ("failed", INTERRUPT)))
    return f"scripted: outcome={outcome} duration={2 + 10 * rng.random():.2f}{suffix}"


def never(rng: random.Random) -> str:
    """A job that runs until it is ended."""
    return "scripted: outcome=hang"


HOUR = 3600.0

BY_EVENT_ALONE = {
    "airflow_batch_events.dispatch.poll_schedule.SHARED_INTERVAL": HOUR,
    "airflow_batch_events.dispatch.poll_schedule.CALL_INTERVAL": HOUR,
}
"""Events alone end a wait, because nothing is polled after the first poll."""

SOON_BELIEVED = {
    "airflow_batch_events.dispatch.deadline.CLOCK_CHECK": 0.2,
    "airflow_batch_events.protocol.clock.AGREEING_FOR": 1.0,
}
"""What lets a wrong date do within seconds what else takes a minute."""

AS_BY_DEFAULT = {"reconcile_interval": 300.0}
"""The interval that a user gets who sets none."""

SCENARIOS = (
    Scenario("nothing goes wrong"),
    Scenario("every message is dropped", [Fault(effect="drop")]),
    Scenario(
        "each message comes five times, shuffled",
        [Fault(effect="duplicate", times=5), Fault(effect="reorder", times=20, seconds=0.5)],
    ),
    Scenario("a third of the messages is corrupted", [Fault(effect="corrupt", share=1 / 3)]),
    Scenario("the queue is deleted and made again", actions=[(1.0, delete_queue), (2.0, create_queue)]),
    Scenario("the data plane answers 500", [Fault(effect="http_500", service="cmq", after=1.0, duration=3.0)]),
    Scenario("DescribeJobs is throttled", [Fault(effect="throttle", action="DescribeJobs", per_second=2)]),
    Scenario(
        "the data plane answers 500 and DescribeJobs is throttled",
        [
            Fault(effect="http_500", service="cmq", after=1.0),
            Fault(effect="throttle", action="DescribeJobs", per_second=2),
        ],
    ),
    Scenario("the triggerer is killed at random moments", actions=[(0.0, kill_every(0.6, 5))]),
    Scenario(
        "one of two triggerers is killed at random moments",
        actions=[(0.0, kill_every(0.6, 5))],
        triggerers=2,
        queue=QUICKLY_VISIBLE,
    ),
    Scenario(
        "two triggerers read one queue", triggerers=2, queue=QUICKLY_VISIBLE, trigger={"reconcile_interval": 30.0}
    ),
    Scenario(
        "three triggerers read one queue", triggerers=3, queue=QUICKLY_VISIBLE, trigger={"reconcile_interval": 30.0}
    ),
    Scenario(
        "two triggerers read one queue, nothing shortened",
        triggerers=2,
        trigger=AS_BY_DEFAULT,
        limit=60.0,
        late=36.0,
        only_long=True,
    ),
    Scenario(
        "three triggerers read one queue, nothing shortened",
        triggerers=3,
        trigger=AS_BY_DEFAULT,
        limit=60.0,
        late=36.0,
        only_long=True,
    ),
    Scenario(
        "two triggerers read one queue, by event alone",
        triggerers=2,
        queue=QUICKLY_VISIBLE,
        trigger={"reconcile_interval": HOUR},
        settings=BY_EVENT_ALONE,
        limit=60.0,
        only_long=True,
    ),
    Scenario(
        "three triggerers read one queue, by event alone",
        triggerers=3,
        queue=QUICKLY_VISIBLE,
        trigger={"reconcile_interval": HOUR},
        settings=BY_EVENT_ALONE,
        limit=60.0,
        only_long=True,
    ),
    Scenario("two triggerers read a queue each", triggerers=2, queue_for_each=True, trigger=AS_BY_DEFAULT, late=20.0),
    Scenario("three triggerers read a queue each", triggerers=3, queue_for_each=True, trigger=AS_BY_DEFAULT, late=20.0),
    Scenario(
        "one of two triggerers with a queue each is gone for good",
        actions=[(1.0, retire_one)],
        triggerers=2,
        queue_for_each=True,
        trigger=AS_BY_DEFAULT,
        late=20.0,
    ),
    Scenario("the clock is an hour fast", skew=HOUR),
    Scenario("the clock is an hour slow", skew=-HOUR),
    Scenario(
        "failed jobs are retried and their old events come late",
        [
            Fault(effect="duplicate", event="JOB_FAILED", times=3),
            Fault(effect="delay", event="JOB_FAILED", seconds=2.0),
        ],
        before=retry_failed_jobs,
        command=fails_once,
        actions=[(0.2, redeliver), (1.0, redeliver)],
    ),
    Scenario(
        "jobs are deleted while they are waited for",
        [Fault(effect="drop", share=0.5)],
        command=deletable,
        actions=[(0.5, delete_jobs)],
        trigger={"grace": 2.0},
    ),
    Scenario(
        "a poison message comes back again and again",
        actions=[(0.2, send_poison)],
        queue=tdmq.QueueSettings(visibility_timeout=1),
    ),
    Scenario(
        "answers of DescribeJobs drip without end", [Fault(effect="drop")], spoiler=drip("DescribeJobs"), limit=90.0
    ),
    Scenario(
        "answers of the queue drip without end",
        spoiler=drip("BatchReceiveMessage"),
        queue=QUICKLY_VISIBLE,
        trigger={"reconcile_interval": HOUR},
        settings=BY_EVENT_ALONE,
        limit=90.0,
    ),
    Scenario(
        "most answers of DescribeJobs are odd",
        [Fault(effect="drop")],
        spoiler=answer_oddly,
        command=lasting,
        # As short as can be, for many answers, and none that is taken for "not there" may be forgiven by the grace.
        trigger={"reconcile_interval": 0.2, "grace": 1.0},
        settings={"airflow_batch_events.dispatch.poll_schedule.MAX_PAUSE": 0.3},
        limit=90.0,
    ),
    Scenario(
        "answers are dated a day ahead or behind",
        spoiler=misdate_some,
        command=lasting,
        timeout=10 * HOUR,
        settings=SOON_BELIEVED,
        limit=60.0,
    ),
    Scenario(
        "for a while all answers are dated a day ahead",
        spoiler=misdate_all(DAY),
        command=lasting,
        timeout=10 * HOUR,
        settings=SOON_BELIEVED,
        limit=60.0,
    ),
    Scenario(
        "for a while all answers are dated a day behind, and old events come late",
        spoiler=misdate_all(-DAY),
        before=retry_failed_jobs,
        command=fails_once,
        actions=[(0.2, redeliver), (1.0, redeliver), (2.0, redeliver)],
        timeout=10 * HOUR,
        settings=SOON_BELIEVED,
        limit=60.0,
    ),
    Scenario(
        "a subscriber is blocked beside the waits",
        before=block_subscriber,
        trigger={"reconcile_interval": HOUR},
        settings=BY_EVENT_ALONE,
        limit=60.0,
    ),
    Scenario("the queue is full of others' messages", before=send_foreign, trigger=AS_BY_DEFAULT, late=25.0),
    Scenario("the events come before the wait", command=at_once, before=wait_for_ends),
    Scenario("two waits for each job", waits_per_job=2),
    Scenario("two waits for each job in two triggerers", waits_per_job=2, triggerers=2, queue=QUICKLY_VISIBLE),
    Scenario(
        "all waits are cancelled at once",
        command=never,
        actions=[(1.0, cancel_all)],
        trigger={"cancel_on_kill": True},
        limit=35.0,
    ),
    Scenario(
        "all waits are cancelled at once, 20 TerminateJob a second",
        [Fault(effect="throttle", action="TerminateJob", per_second=20)],
        command=never,
        actions=[(1.0, cancel_all)],
        trigger={"cancel_on_kill": True},
        limit=35.0,
    ),
)
