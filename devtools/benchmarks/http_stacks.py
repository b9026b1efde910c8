# SPDX-License-Identifier: Apache-2.0
"""
What one call of the queue service costs with aiohttp, and with httpx, which the APIs are called with.

Both receive full batches of 16 events from the emulator, in another process, with as many calls under way as a busy
reader has. The requests are signed before the time begins, and their answers are not decoded, so that the difference is
that of the libraries. Processor time and the least of several rounds count, in turn, because whatever else the machine
does only adds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import httpx

from airflow_batch_events.protocol import cmq
from airflow_batch_events.protocol.cmq_wire import FORM, PATH
from airflow_batch_events.protocol.http_line import HttpLine
from airflow_batch_events.protocol.transport import open_session, tls_context
from devtools.benchmarks.cloud import QUEUE, running_cloud, success_event
from devtools.benchmarks.figures import Figure
from devtools.emulator_process import CloudAddress

PART = "http"
UNDER_WAY = (1, 8)
"""Calls at one time: a reader with nothing to do, and one that empties a full queue and deletes."""

Exchange = Callable[[bytes], Awaitable[object]]


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    calls, rounds = (160, 2) if quick else (800, 5)
    for under_way in UNDER_WAY:
        with running_cloud() as cloud:
            least = asyncio.run(_compare(cloud.address, under_way, calls, rounds))
        yield Figure(
            PART,
            f"a batch received over aiohttp, {under_way} at a time: processor time",
            least["aiohttp"][0] * 1e6,
            "µs",
            beside=(least["httpx"][0] * 1e6, "httpx"),
            note=f"elapsed: {least['aiohttp'][1] * 1e6:.0f} µs a call, httpx {least['httpx'][1] * 1e6:.0f} µs",
        )


async def _compare(address: CloudAddress, under_way: int, calls: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return seconds a call for each stack: processor time, and time."""
    access = address.access()
    url = address.endpoint + PATH
    least = {"aiohttp": (float("inf"), 0.0), "httpx": (float("inf"), 0.0)}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(cmq.CmqClient(access))
        session, _ = await open_session(access, address.endpoint)
        stack.push_async_callback(session.close)
        line = HttpLine(access, address.endpoint, tls_context(access))
        stack.push_async_callback(line.aclose)

        async def over_aiohttp(form: bytes) -> None:
            status, _, content = await cmq._exchange(session, url, form, 10.0, None)
            _check(status, content)

        async def over_httpx(form: bytes) -> None:
            answer = await line.exchange(
                "BatchReceiveMessage",
                httpx.Request("POST", url, content=form, headers={"Content-Type": FORM}),
                10.0,
            )
            _check(answer.status, answer.content)

        for _ in range(rounds):
            for name, exchange in (("aiohttp", over_aiohttp), ("httpx", over_httpx)):
                await _fill(client, calls)
                least[name] = min(least[name], await _timed(client, exchange, under_way, calls))
    return least


def _check(status: int, content: bytes) -> None:
    if status != 200 or content.count(b"receiptHandle") != 16:
        raise RuntimeError(f"not a full batch: {status} {content[:200]!r}")


async def _fill(client: cmq.CmqClient, calls: int) -> None:
    bodies = [success_event(f"job-{number:08}") for number in range(16)]
    gate = asyncio.Semaphore(8)

    async def one() -> None:
        async with gate:
            await client.send_batch(QUEUE, bodies)

    await asyncio.gather(*(one() for _ in range(calls)))


async def _timed(client: cmq.CmqClient, exchange: Exchange, under_way: int, calls: int) -> tuple[float, float]:
    params = {"queueName": QUEUE, "numOfMsg": "16", "pollingWaitSeconds": "0"}
    forms = iter([client._signed("BatchReceiveMessage", params) for _ in range(calls)])

    async def work() -> None:
        for form in forms:
            await exchange(form)

    began, used = time.monotonic(), time.process_time()
    await asyncio.gather(*(work() for _ in range(under_way)))
    return (time.process_time() - used) / calls, (time.monotonic() - began) / calls
