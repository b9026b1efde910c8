# SPDX-License-Identifier: Apache-2.0
"""Faults of requests, as a client of either protocol sees them."""

from __future__ import annotations

import asyncio
from typing import Literal

import httpx
import pytest
from helpers.emulator_calls import PLACEMENT, job, provision, submit
from helpers.signed_client import SignedClient, until

from tencent_batch_emulator.emulator import Emulator


async def test_requests_can_be_answered_with_errors(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.fail_next("DescribeJobs", "InternalError")
    emulator.faults.fail_next(service="cmq", code="6000")
    emulator.faults.fail_next("SubmitJob", "LimitExceeded.JobQuota")

    assert (await client.api("DescribeJobs"))["Error"]["Code"] == "InternalError"
    assert "Error" not in await client.api("DescribeJobs")
    assert (await client.cmq("ReceiveMessage", queueName="q"))["code"] == 6000
    refused = await client.api("SubmitJob", {"Placement": PLACEMENT, "Job": job()})
    assert refused["Error"]["Code"] == "LimitExceeded.JobQuota"
    assert emulator.batch.job_rows() == []


async def test_both_protocols_can_fail_with_http_500(emulator: Emulator, client: SignedClient) -> None:
    number = emulator.faults.http_500()

    assert (await client.api_response("DescribeJobs")).status_code == 500
    assert (await client.cmq_response(client.cmq_params("ReceiveMessage", "POST"))).status_code == 500

    emulator.faults.remove(number)
    assert (await client.api_response("DescribeJobs")).status_code == 200


async def test_throttling_answers_what_each_protocol_says_of_it(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.throttle(per_second=0.001)
    await client.api("DescribeJobs")
    await client.cmq("ReceiveMessage", queueName="q")

    assert (await client.api("DescribeJobs"))["Error"]["Code"] == "RequestLimitExceeded"
    assert (await client.cmq("ReceiveMessage", queueName="q"))["code"] == 4420


async def test_a_connection_can_be_cut_before_or_after_the_effect(emulator: Emulator, client: SignedClient) -> None:
    cuts: list[tuple[Literal["before", "after"], int]] = [("before", 0), ("after", 1)]
    for when, jobs in cuts:
        emulator.faults.cut_next("SubmitJob", when=when)
        with pytest.raises(httpx.RemoteProtocolError):
            await submit(client)
        assert len(emulator.batch.job_rows()) == jobs
    assert emulator.requests.count("SubmitJob", code="CUT") == 2


async def test_a_cut_hits_one_connection_only(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    poll = asyncio.ensure_future(client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=30))
    await until(lambda: emulator.broker.queues.get("results").waiting_receivers)
    emulator.faults.cut_next("DescribeJobs")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.api("DescribeJobs")

    await client.cmq("SendMessage", queueName="results", msgBody="still here")
    assert (await poll)["msgBody"] == "still here"


async def test_a_request_can_hang_by_the_emulators_clock(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.hang_next("DescribeJobs", seconds=60)
    call = asyncio.ensure_future(client.api("DescribeJobs"))
    await asyncio.sleep(0.1)
    assert not call.done()

    emulator.clock.advance(60)

    assert "Error" not in await call
