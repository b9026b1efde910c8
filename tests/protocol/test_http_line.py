# SPDX-License-Identifier: Apache-2.0
"""
What HTTP libraries do by themselves, and calls without an end: every client against a server that provokes them.

Each test runs with the blocking client, the asynchronous one and the queue's.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from protocol.scripted_cloud import ScriptedCloud

from airflow_batch_events.exceptions import CallTimeoutError, ConfigurationError, TransportError
from airflow_batch_events.protocol import cmq as cmq_module
from airflow_batch_events.protocol import http_line
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient

ANSWER = {"code": 7000, "Response": {"JobSet": []}}
POLL = batch.describe_jobs(["job-1"])

Use = Callable[..., Awaitable[object]]


async def use_cmq(access: CloudAccess, calls: int = 1, bound: float = 30.0) -> None:
    async with CmqClient(access, retries=0, timeout=bound) as client:
        for _ in range(calls):
            assert await client.receive("jobs", wait_seconds=0) == []


async def use_async_sdk(access: CloudAccess, calls: int = 1, bound: float = 30.0) -> None:
    async with AsyncSdkClient(access, retry=NO_RETRY, timeout=bound) as client:
        for _ in range(calls):
            assert await client.send(POLL) == []


async def use_blocking_sdk(access: CloudAccess, calls: int = 1, bound: float = 30.0) -> None:
    def send() -> None:
        with SdkClient(access, retry=NO_RETRY, timeout=bound) as client:
            for _ in range(calls):
                assert client.send(POLL) == []

    await asyncio.to_thread(send)


@pytest.fixture(params=[use_cmq, use_async_sdk, use_blocking_sdk], ids=lambda use: use.__name__)
def use(request: pytest.FixtureRequest) -> Use:
    return request.param


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_and_its_target_is_not_told(cloud: ScriptedCloud, use: Use, status: int) -> None:
    cloud.answer(ANSWER, status=status, headers=(f"Location: {cloud.endpoint}/elsewhere?S3CRET",))
    with pytest.raises(TransportError, match=f"HTTP {status}, a redirect, and none is followed") as caught:
        await use(cloud.access)
    assert len(cloud.asked) == 1
    assert "elsewhere" not in str(caught.value)


async def test_no_netrc_is_read(
    cloud: ScriptedCloud, use: Use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / ".netrc"
    path.write_text("default login me password S3CRET\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    cloud.answer(ANSWER)
    await use(cloud.access)
    assert "basic" not in cloud.asked[0].headers.get("authorization", "").lower()


async def test_no_cookie_is_kept(cloud: ScriptedCloud, use: Use) -> None:
    cloud.answer(ANSWER, times=3, headers=("Set-Cookie: a=b; Path=/",))
    await use(cloud.access, calls=3)
    assert [asked.headers.get("cookie") for asked in cloud.asked] == [None] * 3


async def test_an_answer_that_drips_is_given_up(cloud: ScriptedCloud, use: Use) -> None:
    cloud.answer(ANSWER, pause=0.05)
    with pytest.raises(CallTimeoutError, match=r"timed out after 0\.3 s"):
        await asyncio.wait_for(use(cloud.access, bound=0.3), 30)


async def test_an_answer_without_an_end_is_given_up(
    cloud: ScriptedCloud, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmq_module, "MAX_ANSWER", 1000)
    monkeypatch.setattr(http_line, "MAX_ANSWER", 1000)
    cloud.answer(b" " * 2000)
    with pytest.raises(TransportError, match="1000 bytes"):
        await use(cloud.access)


@pytest.mark.parametrize(
    "head",
    ["Content-Encoding: gzip", "Transfer-Encoding: chunked", f"X-Long: {'x' * 200_000}", "Content-Length: 5"],
)
async def test_an_answer_that_is_no_proper_http_is_a_transport_error(cloud: ScriptedCloud, use: Use, head: str) -> None:
    cloud.answer(b"no such thing", headers=(head,))
    with pytest.raises(TransportError):
        await use(cloud.access, bound=0.3)


async def test_no_word_of_a_library_leaves(
    cloud: ScriptedCloud, use: Use, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also not in the causes, which Airflow logs with their tracebacks."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Illegal header value b'S3CRET'") from ValueError("S3CRET")

    monkeypatch.setattr("httpx.AsyncHTTPTransport.handle_async_request", fail)
    monkeypatch.setattr("aiohttp.ClientSession._request", fail)
    with caplog.at_level(logging.DEBUG), pytest.raises(TransportError, match="RuntimeError") as caught:
        await use(cloud.access)
    assert "S3CRET" not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_a_proxy_that_httpx_cannot_use_is_told_with_what_it_needs(
    cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_socks(**_: object) -> None:
        raise ImportError("Using SOCKS proxy, but the 'socksio' package is not installed")

    monkeypatch.setattr(http_line.httpx, "AsyncHTTPTransport", without_socks)
    access = replace(cloud.access, proxy="socks5://me:S3CRET@127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match=r"a socks5:// or socks5h:// proxy needs httpx\[socks\]$") as caught:
        async with AsyncSdkClient(access, retry=NO_RETRY) as client:
            await client.send(POLL)
    assert "S3CRET" not in str(caught.value)
