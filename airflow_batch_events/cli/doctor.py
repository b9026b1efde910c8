# SPDX-License-Identifier: Apache-2.0
"""
``airflow-batch-events doctor``: check all that an event passes between a job and its wait, and say what to change.

Each check is a function from the cloud to findings; a check that rests on a failed one is left out. Nothing is changed:
the probe goes through a temporary queue, and what it leaves in the real queue is an event that nobody waits for, which
readers delete.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pendulum

from airflow_batch_events.cli.common import Output, run_reporting
from airflow_batch_events.cli.temporary_queue import temporary_queue
from airflow_batch_events.exceptions import ApiNotFoundError, BatchEventsError, CmqQueueNotFoundError
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.provisioning.provision import subscription_problems

MAX_DRIFT = 30.0
"""Seconds by which this machine's clock may be off; the API refuses at 300."""

PROBE_TIMEOUT = 20.0
"""Seconds for a published probe to arrive."""

PROBE_NAME = "AIRFLOW_DOCTOR_PROBE"
"""The name of the event that is published as a probe; it is in no list, so nothing acts on it."""


@dataclass(frozen=True)
class Finding:
    """
    What a check has found.

    :param check: What was checked.
    :param is_well: Whether nothing is wrong.
    :param text: What was found and, if something is wrong, what to change.
    """

    check: str
    is_well: bool
    text: str


def run(args: argparse.Namespace) -> int:
    """Make every check; return 0 when nothing is wrong."""

    def work(access: CloudAccess, output: Output) -> tuple[bool, dict[str, Any]]:
        findings = []
        for finding in examine(access, args.topic, args.queue, with_probe=not args.no_probe):
            findings.append(finding)
            mark = ("ok   ", "green") if finding.is_well else ("WRONG", "red")
            output.line(mark, f" {finding.check}: {finding.text}")
        is_well = all(finding.is_well for finding in findings)
        return is_well, {"findings": [vars(finding) for finding in findings]}

    return run_reporting(args, work)


def examine(access: CloudAccess, topic_name: str, queue_name: str, *, with_probe: bool = True) -> Iterator[Finding]:
    """
    Make the checks, each after those that it rests on.

    :param access: The keys and endpoints to check.
    :param topic_name: The topic that jobs notify.
    :param queue_name: The queue that waits read.
    :param with_probe: Whether to publish a probe and receive it.
    """
    with SdkClient(access) as client:
        try:
            client.send(batch.describe_jobs())
        except BatchEventsError as error:
            yield Finding("Batch API", False, str(error))
            return
        yield Finding("Batch API", True, f"{access.source} may list jobs in {access.region}")
        yield _examine_clock(client.clock)
        try:
            topic, queue = _describe(client, topic_name, queue_name)
        except BatchEventsError as error:
            yield Finding("TDMQ API", False, str(error))
            return
        yield from _examine_objects(client, topic, queue, topic_name, queue_name)
        endpoint = asyncio.run(_examine_endpoint(access, queue_name))
        yield endpoint
        if with_probe and topic is not None and endpoint.is_well:
            yield _probe(client, access, topic_name)


def _examine_clock(clock: CloudClock) -> Finding:
    drift = time.time() - clock.told()
    if abs(drift) <= MAX_DRIFT:
        return Finding("clock", True, f"this machine's clock is within {MAX_DRIFT:g} s of the cloud's")
    return Finding(
        "clock", False, f"this machine's clock is off by {drift:+.0f} s: set it; the API refuses calls at 300 s"
    )


def _describe(
    client: SdkClient, topic_name: str, queue_name: str
) -> tuple[tdmq.TopicAttributes | None, tdmq.QueueAttributes | None]:
    try:
        topic = client.send(tdmq.describe_topic(topic_name))
    except ApiNotFoundError:
        topic = None
    try:
        queue = client.send(tdmq.describe_queue(queue_name))
    except ApiNotFoundError:
        queue = None
    return topic, queue


def _examine_objects(
    client: SdkClient,
    topic: tdmq.TopicAttributes | None,
    queue: tdmq.QueueAttributes | None,
    topic_name: str,
    queue_name: str,
) -> Iterator[Finding]:
    create = f"create it: airflow-batch-events provision --topic {topic_name} --queue {queue_name}"
    if topic is None:
        yield Finding("topic", False, f"{topic_name} does not exist: {create}")
    else:
        yield Finding("topic", True, f"{topic_name} exists")
        subscriptions = tdmq.list_subscriptions(client.send, topic_name)
        ours = [item for item in subscriptions if item.protocol == "queue" and item.endpoint == queue_name]
        if not ours:
            yield Finding("subscription", False, f"{topic_name} does not forward to {queue_name}: {create}")
        for item in ours:
            problems = subscription_problems(item)
            text = "; ".join(problems) or f"{item.name} forwards {topic_name} to {queue_name}"
            yield Finding("subscription", not problems, text)
    if queue is None:
        yield Finding("queue", False, f"{queue_name} does not exist: {create}")
    else:
        yield from _examine_queue(queue)


def _examine_queue(queue: tdmq.QueueAttributes) -> Iterator[Finding]:
    visible = queue.visibility_timeout or 30
    text = f"visibility timeout {visible} s"
    if visible < 10:
        yield Finding("queue", False, f"{text}: set at least 10 s, or a message comes back while it is being handled")
    elif visible > 120:
        yield Finding("queue", False, f"{text}: set at most 120 s; it delays what the wrong triggerer has received")
    else:
        yield Finding("queue", True, text)
    retention = queue.msg_retention_seconds or 3600
    text = f"the queue keeps messages for {retention} s while nobody deletes them"
    yield Finding(
        "queue", retention >= 3600, text if retention >= 3600 else f"{text}: set at least 3600 s, to bridge an outage"
    )
    if not queue.dead_letter_queue_name:
        yield Finding(
            "queue", True, "no dead-letter queue: a message that is not an event stays until its retention ends"
        )
    waiting = queue.active_msg_num or 0
    if waiting > 10_000:
        yield Finding("queue", False, f"{waiting} messages wait in it: does any triggerer read it?")


async def _examine_endpoint(access: CloudAccess, queue_name: str) -> Finding:
    check = "queue service"
    try:
        async with CmqClient(access, retries=0) as client:
            # A queue that cannot exist: the answer proves address and key, and no message is taken from a reader.
            await client.receive(f"no-{uuid.uuid4().hex}", wait_seconds=0)
    except CmqQueueNotFoundError:
        return Finding(check, True, f"{access.cmq_endpoint} accepts the key")
    except BatchEventsError as error:
        return Finding(check, False, str(error))
    return Finding(check, True, f"{access.cmq_endpoint} answers")


def _probe(client: SdkClient, access: CloudAccess, topic_name: str) -> Finding:
    try:
        with temporary_queue(client, topic_name, "doctor") as queue_name:
            took = asyncio.run(_send_probe(access, topic_name, queue_name))
    except BatchEventsError as error:
        return Finding("probe", False, str(error))
    if took is None:
        text = f"what was published to {topic_name} did not arrive within {PROBE_TIMEOUT:g} s"
        return Finding("probe", False, f"{text}: check the topic in the console")
    return Finding("probe", True, f"what was published to {topic_name} arrived after {took * 1000:.0f} ms")


async def _send_probe(access: CloudAccess, topic_name: str, queue_name: str) -> float | None:
    token = uuid.uuid4().hex
    event = {
        "EventVersion": "1.0",
        "EventName": PROBE_NAME,
        "EventTime": pendulum.now("UTC").format("YYYY-MM-DD[T]HH:mm:ss[Z]"),
        "Region": access.region,
        "Batch": {"Probe": token},
        "EventVars": [],
    }
    async with CmqClient(access) as client:
        began = time.monotonic()
        await client.publish(topic_name, json.dumps({"Events": [event]}))
        while time.monotonic() - began < PROBE_TIMEOUT:
            for message in await client.receive(queue_name, wait_seconds=1):
                if token in message.body:
                    return time.monotonic() - began
    return None
