# SPDX-License-Identifier: Apache-2.0
"""
How long it takes from the publication of an event to the trigger's event, one event at a time.

The time begins before the call that publishes; what the topic and the queue take is part of it. Publisher, emulator and
triggers are three processes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from airflow_batch_events.protocol.cmq import CmqClient
from devtools.benchmarks.cloud import TOPIC, running_cloud, success_event
from devtools.benchmarks.figures import Figure, median, percentile
from devtools.benchmarks.waiters import waiting
from devtools.emulator_process import CloudAddress

PART = "latency"
GAP = 0.02
"""Seconds between two publications."""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    for number, runs in ((1, 3 if quick else 10), (100, 1), (1_000, 1)):
        delays = [delay * 1000 for _ in range(runs) for delay in _delays(number)]
        name = f"publish to trigger event, {number:,} waits"
        many = number == 1_000
        yield Figure(
            PART, f"{name}: median", median(delays), "ms", goal=10 if many else None, note=f"{len(delays)} events"
        )
        yield Figure(PART, f"{name}: 99th percentile", percentile(delays, 0.99), "ms", goal=50 if many else None)


def _delays(number: int) -> list[float]:
    with running_cloud() as cloud:
        job_ids, _ = cloud.submit(number, "scripted: outcome=hang")
        with waiting("trigger", cloud.address, job_ids, settle=3.0 + number / 500) as waiters:
            published = asyncio.run(_publish(cloud.address, job_ids))
            ended = waiters.ends()["ended"]
            return [ended[job_id] - published[job_id] for job_id in job_ids]


async def _publish(address: CloudAddress, job_ids: list[str]) -> dict[str, float]:
    published: dict[str, float] = {}
    async with CmqClient(address.access()) as client:
        for job_id in job_ids:
            body = success_event(job_id)
            published[job_id] = time.monotonic()
            await client.publish(TOPIC, body)
            await asyncio.sleep(GAP)
    return published
