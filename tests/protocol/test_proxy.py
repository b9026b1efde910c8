# SPDX-License-Identifier: Apache-2.0
"""Each client through a forward proxy that asks for a password; certificates are in ``test_tls.py``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from support.forward_proxy import PASSWORD, ForwardProxy

from airflow_batch_events.emulator.emulator import Emulator
from airflow_batch_events.exceptions import QueueNotFoundError, TransportError
from airflow_batch_events.protocol import batch, sts
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient

LOOK = batch.describe_jobs(["job-00000000"])

Use = Callable[[CloudAccess], Awaitable[None]]


async def use_cmq(access: CloudAccess) -> None:
    async with CmqClient(access, retries=0) as client:
        with pytest.raises(QueueNotFoundError):
            await client.receive("nowhere")


async def use_async_sdk(access: CloudAccess) -> None:
    async with AsyncSdkClient(access, retry=NO_RETRY) as client:
        await client.send(LOOK)


async def use_blocking_sdk(access: CloudAccess) -> None:
    def send() -> None:
        with SdkClient(access, retry=NO_RETRY) as client:
            client.send(LOOK)

    await asyncio.to_thread(send)


async def use_sts(access: CloudAccess) -> None:
    def send() -> None:
        sts.assume(access, sts.Role("qcs::cam::uin/1250000001:roleName/through-a-proxy"))

    await asyncio.to_thread(send)


@pytest.fixture(params=[use_cmq, use_async_sdk, use_blocking_sdk, use_sts], ids=lambda use: use.__name__)
def use(request: pytest.FixtureRequest) -> Use:
    return request.param


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted") as emulator:
        yield emulator


@pytest.fixture
async def proxy() -> AsyncIterator[ForwardProxy]:
    async with ForwardProxy() as proxy:
        yield proxy


def access_of(emulator: Emulator) -> CloudAccess:
    return CloudAccess.at_endpoint(emulator.endpoint, emulator.secret_id, emulator.secret_key)


async def test_the_connection_s_proxy_is_used_with_its_password(
    emulator: Emulator, proxy: ForwardProxy, use: Use
) -> None:
    await use(replace(access_of(emulator), proxy=proxy.url))
    assert proxy.targets == [f"POST 127.0.0.1:{emulator.port}"]
    assert proxy.refused == 0


async def test_without_a_proxy_in_the_connection_the_environment_s_is_used(
    emulator: Emulator, proxy: ForwardProxy, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    await use(access_of(emulator))
    assert proxy.targets == [f"POST 127.0.0.1:{emulator.port}"]


async def test_a_proxy_that_refuses_the_password_is_an_error_without_it(
    emulator: Emulator, proxy: ForwardProxy, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = proxy.url.replace(PASSWORD, "wr0ng-pa55word")
    with caplog.at_level(logging.DEBUG), pytest.raises(TransportError, match="407") as caught:
        await use(replace(access_of(emulator), proxy=wrong))
    assert proxy.refused >= 1
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "wr0ng" not in repr(chain)
        chain = chain.__cause__ or chain.__context__
    assert "wr0ng" not in caplog.text
