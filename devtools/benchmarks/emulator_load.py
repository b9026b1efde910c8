# SPDX-License-Identifier: Apache-2.0
"""
What the emulator can carry, beside moto's SQS server where that can be had.

moto is never a dependency: it is installed into an environment of its own, and left out with a note when that fails.
Both are asked over HTTP by the same number of connections, for the same number of messages of the same size.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from airflow_batch_events.protocol.cmq import CmqClient
from devtools.benchmarks.cloud import QUEUE, Cloud, running_cloud
from devtools.benchmarks.figures import Figure, median, percentile
from devtools.emulator_process import CloudAddress

PART = "emulator"
CONNECTIONS = 4
BATCH = 10
"""Messages a call: the most that SQS takes; CMQ takes 16."""

BODY = "x" * 500
MOTO = Path(".test-output/moto")
MOTO_MESSAGES = 400
"""Fewer than for the emulator: moto takes tens of them a second."""

MOTO_LIMIT = 180.0
"""Seconds that the installation of moto may take."""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    messages = 2_000 if quick else 10_000
    with running_cloud() as cloud:
        sent, taken = asyncio.run(_throughput(_cmq_connections(cloud.address), messages))
    theirs, why_not = _moto(MOTO_MESSAGES)
    note = why_not or f"{CONNECTIONS} connections, batches of {BATCH}, {len(BODY)} bytes"
    for name, value, index in (("sent", sent, 0), ("received and deleted", taken, 1)):
        beside = (theirs[index], "moto's SQS server") if theirs else None
        yield Figure(PART, f"messages {name}", value, "a second", beside, note=note)

    polls = 200 if quick else 1_000
    with running_cloud() as cloud:
        delays = [delay * 1000 for delay in asyncio.run(_long_polls(cloud.address, polls))]
    name = f"{polls:,} concurrent long polls, send to receipt"
    yield Figure(PART, f"{name}: median", median(delays), "ms")
    yield Figure(PART, f"{name}: 99th percentile", percentile(delays, 0.99), "ms")

    with running_cloud() as cloud:
        yield from _jobs(cloud, 1_000 if quick else 10_000)


def _jobs(cloud: Cloud, number: int) -> Iterator[Figure]:
    before, began = cloud.resident_memory(), time.monotonic()
    _, ends = cloud.submit(number)
    submitted = time.monotonic() - began
    began = time.monotonic()
    cloud.advance_to(ends)
    finished = time.monotonic() - began
    name = f"{number:,} scripted jobs"
    yield Figure(PART, f"{name}: submitted", number / submitted, "a second", note="by one client of 16 connections")
    yield Figure(PART, f"{name}: all ended", finished, "s", note="from the order to move the clock to its answer")
    yield Figure(PART, f"{name}: memory a job", (cloud.resident_memory() - before) / number / 1024, "KiB")


class _Connection:
    """One connection to a queue: send a batch, or receive and delete one."""

    def __init__(self, send: Callable[[], Awaitable[None]], take: Callable[[], Awaitable[int]]) -> None:
        self.send = send
        self.take = take


async def _throughput(connections: Callable[[], Awaitable[list[_Connection]]], messages: int) -> tuple[float, float]:
    """Return messages a second, sent and taken."""
    opened = await connections()
    batches = iter(range(messages // BATCH))

    async def send(connection: _Connection) -> None:
        for _ in batches:
            await connection.send()

    left = messages // BATCH * BATCH

    async def take(connection: _Connection) -> None:
        nonlocal left
        while left > 0:
            # In two steps: with one, the number before the wait would be taken from.
            number = await connection.take()
            left -= number

    began = time.monotonic()
    await asyncio.gather(*(send(connection) for connection in opened))
    sent = time.monotonic() - began
    began = time.monotonic()
    await asyncio.gather(*(take(connection) for connection in opened))
    return messages / sent, messages / (time.monotonic() - began)


def _cmq_connections(address: CloudAddress) -> Callable[[], Awaitable[list[_Connection]]]:
    async def one() -> _Connection:
        client = await CmqClient(address.access()).__aenter__()

        async def send() -> None:
            await client.send_batch(QUEUE, [BODY] * BATCH)

        async def take() -> int:
            messages = await client.receive(QUEUE, max_messages=BATCH, wait_seconds=0)
            if messages:
                await client.delete(QUEUE, [message.receipt_handle for message in messages])
            return len(messages)

        return _Connection(send, take)

    async def several() -> list[_Connection]:
        return [await one() for _ in range(CONNECTIONS)]

    return several


def _sqs_connections(endpoint: str) -> Callable[[], Awaitable[list[_Connection]]]:
    async def call(http: httpx.AsyncClient, action: str, **params: object) -> dict[str, list[dict[str, str]]]:
        answer = await http.post("/", headers={"X-Amz-Target": f"AmazonSQS.{action}"}, json=params)
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def open_http() -> httpx.AsyncClient:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sqs/aws4_request, Signature=x",
        }
        return httpx.AsyncClient(base_url=endpoint, headers=headers, trust_env=False, timeout=60)

    async def one(url: str) -> _Connection:
        http = open_http()

        async def send() -> None:
            entries = [{"Id": str(number), "MessageBody": BODY} for number in range(BATCH)]
            await call(http, "SendMessageBatch", QueueUrl=url, Entries=entries)

        async def take() -> int:
            answer = await call(http, "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=0)
            messages = answer.get("Messages", [])
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ]
            if entries:
                await call(http, "DeleteMessageBatch", QueueUrl=url, Entries=entries)
            return len(messages)

        return _Connection(send, take)

    async def several() -> list[_Connection]:
        async with open_http() as http:
            url = str((await call(http, "CreateQueue", QueueName=QUEUE))["QueueUrl"])
        return [await one(url) for _ in range(CONNECTIONS)]

    return several


async def _long_polls(address: CloudAddress, number: int) -> list[float]:
    """Let so many long polls wait, send a message for each, and return how long each message took."""
    async with CmqClient(address.access()) as client:
        received: list[float] = []

        async def poll(place: int) -> None:
            # Opened one after the other: this is about waiting, not about a rush of connections.
            await asyncio.sleep(place * 0.003)
            while True:
                messages = await client.receive(QUEUE, max_messages=1, wait_seconds=30)
                if messages:
                    received.append(time.time() - float(messages[0].body))
                    return

        polls = [asyncio.ensure_future(poll(place)) for place in range(number)]
        await asyncio.sleep(number * 0.003 + 5)
        for _ in range(number):
            await client.send(QUEUE, f"{time.time():.6f}")
            await asyncio.sleep(0.005)
        await asyncio.wait_for(asyncio.gather(*polls), 60)
        return received


def _moto(messages: int) -> tuple[tuple[float, float] | None, str]:
    """Return moto's rates, or None and the reason."""
    server = MOTO / "bin" / "moto_server"
    if not server.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(MOTO)], check=True, capture_output=True, timeout=60)
            command = [str(MOTO / "bin" / "pip"), "install", "--quiet", "moto[server,sqs]"]
            subprocess.run(command, check=True, capture_output=True, timeout=MOTO_LIMIT)
        except (subprocess.SubprocessError, OSError) as error:
            return None, f"moto cannot be installed here: {type(error).__name__}"
    with _moto_server(server) as endpoint:
        return asyncio.run(_throughput(_sqs_connections(endpoint), messages)), ""


@contextmanager
def _moto_server(server: Path) -> Iterator[str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(server), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{endpoint}/moto-api/", trust_env=False)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            raise TimeoutError("moto's server does not answer")
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=10)
