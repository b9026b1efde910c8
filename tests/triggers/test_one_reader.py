# SPDX-License-Identifier: Apache-2.0
"""All waits of a process on one queue share one reader, shown by the emulator's request log."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.emulator_helpers import address_of, announced_job, first_payload, submit_jobs

from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.batch import BatchJobTrigger
from devtools.waits import LIMIT
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.services.cmq.queues.queue import Queue

WAITS = 100


async def until_left(queue: Queue, most: int) -> None:
    while queue.active_count + queue.inactive_count > most:  # noqa: ASYNC110 - the emulator tells nobody
        await asyncio.sleep(0.05)


async def test_a_hundred_waits_use_one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        async with AsyncSdkClient(address.access()) as client:
            await client.send(tdmq.create_topic("t"))
            await client.send(tdmq.create_queue("q"))
            await client.send(tdmq.create_subscription("t", "s", "q"))
            job_ids = await submit_jobs(client, announced_job("scripted: outcome=hang", "t"), WAITS)
            waits = [asyncio.ensure_future(first_payload(BatchJobTrigger(job_id, "q"))) for job_id in job_ids]
            await asyncio.sleep(4)
            idle = emulator.requests.count("BatchReceiveMessage")
            assert idle <= 3, "one long poll of three seconds at a time, however many wait"
            assert emulator.requests.count("DescribeJobs") <= 3

            await asyncio.gather(*(client.send(batch.terminate_job(job_id)) for job_id in job_ids))
            payloads = await asyncio.wait_for(asyncio.gather(*waits), LIMIT)

        outcomes = [payload["outcomes"][0] for payload in payloads]
        assert [outcome["job_id"] for outcome in outcomes] == job_ids
        assert {outcome["state"] for outcome in outcomes} == {"FAILED"}
        # Sixteen events fit in a call; on a busy machine they come in smaller portions, but never one by one.
        assert emulator.requests.count("BatchReceiveMessage") - idle <= WAITS / 2
        assert emulator.requests.count("BatchDeleteMessage") <= WAITS / 2
        assert emulator.requests.count("DescribeJobs") <= 6
        # On a busy machine a poll may end waits before their events are read; nobody reads those any more.
        by_api = sum(outcome["source"] == "api" for outcome in outcomes)
        await asyncio.wait_for(until_left(emulator.broker.queues.get("q"), by_api), LIMIT)
