# SPDX-License-Identifier: Apache-2.0
"""Certificates are checked, by each client, and against the bundle that the access names."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from protocol.scripted_cloud import ScriptedCloud
from support.forward_proxy import ForwardProxy

from airflow_batch_events.exceptions import ConfigurationError, TransportError
from airflow_batch_events.protocol import transport
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient

ANSWER = {"code": 7000, "Response": {"JobSet": []}}
POLL = batch.describe_jobs(["job-1"])

Use = Callable[[CloudAccess], Awaitable[object]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "bundle.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
async def tls_cloud(bundle: Path) -> AsyncIterator[ScriptedCloud]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    server = ScriptedCloud()
    await server.start(context)
    server.answer(ANSWER)
    try:
        yield server
    finally:
        await server.stop()


async def use_cmq(access: CloudAccess) -> object:
    async with CmqClient(access, retries=0) as client:
        return await client.receive("jobs")


async def use_async_sdk(access: CloudAccess) -> object:
    async with AsyncSdkClient(access, retry=NO_RETRY) as client:
        return await client.send(POLL)


async def use_blocking_sdk(access: CloudAccess) -> object:
    def send() -> object:
        with SdkClient(access, retry=NO_RETRY) as client:
            return client.send(POLL)

    return await asyncio.to_thread(send)


@pytest.fixture(params=[use_cmq, use_async_sdk, use_blocking_sdk], ids=lambda use: use.__name__)
def use(request: pytest.FixtureRequest) -> Use:
    return request.param


async def test_an_unknown_certificate_is_refused(tls_cloud: ScriptedCloud, use: Use) -> None:
    with pytest.raises(TransportError, match=r"(?i)certificate"):
        await use(tls_cloud.access)
    assert tls_cloud.asked == []


async def test_a_certificate_of_the_named_bundle_is_accepted(tls_cloud: ScriptedCloud, use: Use, bundle: Path) -> None:
    assert await use(replace(tls_cloud.access, verify=str(bundle))) == []


async def test_a_bundle_that_cannot_be_read_is_named_with_the_setting(
    tls_cloud: ScriptedCloud, use: Use, tmp_path: Path
) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    for path in (missing, empty):
        with pytest.raises(ConfigurationError, match=rf"{path}.*\[batch_events\] ca_bundle.*cannot be read"):
            await use(replace(tls_cloud.access, verify=str(path)))
    assert tls_cloud.asked == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_checking_can_be_switched_off(tls_cloud: ScriptedCloud, use: Use) -> None:
    assert await use(replace(tls_cloud.access, verify=False)) == []


async def test_a_tunnel_through_a_proxy_changes_nothing_about_that(
    tls_cloud: ScriptedCloud, use: Use, bundle: Path
) -> None:
    async with ForwardProxy() as proxy:
        access = replace(tls_cloud.access, proxy=proxy.url)
        with pytest.raises(TransportError, match=r"(?i)certificate"):
            await use(access)
        assert await use(replace(access, verify=str(bundle))) == []
        assert set(proxy.targets) == {f"CONNECT {tls_cloud.endpoint.removeprefix('https://')}"}


async def test_requests_in_the_clear_are_warned_about_once(
    cloud: ScriptedCloud, use: Use, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_warned", set())
    cloud.answer(ANSWER, times=3)
    await use(cloud.access)
    assert caplog.messages == []
    away = CloudAccess.at_endpoint("http://cloud.invalid", "AKIDx", "k3y", source="connection 'test'")
    for _ in range(2):
        await use(replace(away, proxy=cloud.endpoint))
    assert [message for message in caplog.messages if "http://cloud.invalid are not encrypted" in message] == [
        caplog.messages[0]
    ]
