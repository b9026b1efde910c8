# SPDX-License-Identifier: Apache-2.0
"""A proxy's URL, and each client through one that asks for a password; certificates are in ``test_tls.py``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from support.forward_proxy import PASSWORD, ForwardProxy

from airflow_batch_events.exceptions import CmqQueueNotFoundError, ConfigurationError, TransportError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials import sts
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.proxy import parse_proxy, proxy_for, secrets_of_environment
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient
from tencent_batch_emulator.emulator import Emulator

POLL = batch.describe_jobs(["job-00000000"])

Use = Callable[[CloudAccess], Awaitable[None]]


async def use_cmq(access: CloudAccess) -> None:
    async with CmqClient(access, retries=0) as client:
        with pytest.raises(CmqQueueNotFoundError):
            await client.receive("nowhere")


async def use_async_sdk(access: CloudAccess) -> None:
    async with AsyncSdkClient(access, retry=NO_RETRY) as client:
        await client.send(POLL)


async def use_blocking_sdk(access: CloudAccess) -> None:
    def send() -> None:
        with SdkClient(access, retry=NO_RETRY) as client:
            client.send(POLL)

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


async def test_the_environment_s_proxy_is_used_if_none_is_given(
    emulator: Emulator, proxy: ForwardProxy, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    await use(access_of(emulator))
    assert proxy.targets == [f"POST 127.0.0.1:{emulator.port}"]


async def test_a_refused_proxy_password_is_not_in_the_error(
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


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "scheme", "address", "user", "password"),
    [
        ("http://proxy:3128", "http", "proxy:3128", None, ""),
        ("HTTPS://Proxy.Example/", "https", "proxy.example", None, ""),
        ("socks5h://127.0.0.1:1080", "socks5h", "127.0.0.1:1080", None, ""),
        ("http://[::1]:3128", "http", "[::1]:3128", None, ""),
        ("http://me@proxy", "http", "proxy", "me", ""),
        ("http://me:Sup3r%23%40%2F%3FSecr3t@proxy:1", "http", "proxy:1", "me", "Sup3r#@/?Secr3t"),
        ("http://me:p:a!$&'()*+,;=ss@proxy:1", "http", "proxy:1", "me", "p:a!$&'()*+,;=ss"),
        ("http://me:%E5%AF%86@proxy:1", "http", "proxy:1", "me", "密"),
    ],
)
def test_a_proxy_that_every_library_reads_alike_is_taken(
    url: str, scheme: str, address: str, user: str | None, password: str
) -> None:
    proxy = parse_proxy("connection 'c'", "proxy", url)
    assert (proxy.scheme, proxy.address, proxy.user, proxy.password) == (scheme, address, user, password)
    assert "@" not in proxy.url
    for secret in proxy.secrets:
        assert secret not in repr(proxy)


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://me:Sup3r{mark}Secr3t@proxy:3128" for mark in '#/?[]@\\^`{}|<>" \t\n\0%é'),
        "http://me:Sup3rSecr3t%zz@proxy:3128",
        "http://me:Sup3rSecr3t%ff@proxy:3128",
        "http://Sup3r%3Ax:Secr3t@proxy:3128",
        "http://me:Sup3rSecr3t@proxy:0",
        "http://me:Sup3rSecr3t@proxy:99999",
        "http://me:Sup3rSecr3t@proxy:port",
        "http://me:Sup3rSecr3t@",
        "http://me:Sup3rSecr3t@proxy..example",
        "http://me:Sup3rSecr3t@1.2.3.999",
        "http://me:Sup3rSecr3t@[::g]",
        "http://me:Sup3rSecr3t@proxy/path",
        " http://me:Sup3rSecr3t@proxy",
        "ftp://me:Sup3rSecr3t@proxy",
        "me:Sup3rSecr3t@proxy:3128",
        "",
        8080,
        None,
        ["http://me:Sup3rSecr3t@proxy:3128"],
    ],
)
def test_any_other_proxy_is_refused_and_not_quoted(url: object) -> None:
    with pytest.raises(ConfigurationError, match=r"connection 'c': proxy ") as caught:
        parse_proxy("connection 'c'", "proxy", url)
    assert "Sup3r" not in str(caught.value)
    assert "Secr3t" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("variable", "endpoint", "expected"),
    [
        ("http_proxy", "http://api.example", "http://p:1"),
        ("https_proxy", "https://api.example", "http://p:1"),
        ("all_proxy", "https://api.example:8443", "http://p:1"),
        ("https_proxy", "http://api.example", None),
    ],
)
def test_the_environment_s_proxy_is_found_for_both_stacks(
    environment: pytest.MonkeyPatch, variable: str, endpoint: str, expected: str | None
) -> None:
    environment.setenv(variable, "p:1")
    found = proxy_for("connection 'c'", None, endpoint)
    assert (found and found.url) == expected
    environment.setenv("no_proxy", "example")
    assert proxy_for("connection 'c'", None, endpoint) is None
    given = proxy_for("connection 'c'", "http://given:2", endpoint)
    assert given is not None
    assert given.url == "http://given:2"


@pytest.mark.parametrize("exception", ["::1", "[::1]", "cloud, ::1"])
def test_no_proxy_knows_every_spelling_of_an_ipv6_address(environment: pytest.MonkeyPatch, exception: str) -> None:
    environment.setenv("http_proxy", "http://p:1")
    environment.setenv("no_proxy", exception)
    assert proxy_for("connection 'c'", None, "http://[::1]:8700") is None
    assert proxy_for("connection 'c'", None, "http://[::2]:8700") is not None


async def test_an_unreadable_proxy_variable_is_refused_unquoted(
    emulator: Emulator, use: Use, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("http_proxy", "http://me:Sup3r#Secr3t@127.0.0.1:9")
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(ConfigurationError, match="http_proxy of the environment") as caught,
    ):
        await use(access_of(emulator))
    assert "Sup3r" not in str(caught.value) + caplog.text
    assert list(secrets_of_environment()) == []


def test_proxy_passwords_are_known_in_both_forms(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("https_proxy", "http://me:a%23b@proxy:1")
    environment.setenv("no_proxy", "me@example")
    assert set(secrets_of_environment()) == {"a%23b", "a#b"}
