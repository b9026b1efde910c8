# SPDX-License-Identifier: Apache-2.0
"""Clients whose key is exchanged or ends while they work, against the emulator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from airflow_batch_events.exceptions import ApiCredentialsError, CmqCredentialsError
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.credentials.credential_holder import AGAIN_AFTER, CredentialHolder
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient
from tencent_batch_emulator.emulator import Emulator

POLL = batch.describe_jobs(["job-00000000"])
SECRET = "never-show-this"


@dataclass
class Connection:
    """Where the key is kept: a value that a test exchanges, and how often it was read."""

    access: CloudAccess
    reads: list[bool] = field(default_factory=list)
    error: Exception | None = None

    def renew(self, refused: CloudAccess | None) -> CloudAccess:
        self.reads.append(refused is not None)
        if self.error is not None:
            raise self.error
        return replace(self.access, renewal=self)

    async def arenew(self, refused: CloudAccess | None) -> CloudAccess:
        await asyncio.sleep(0)
        return self.renew(refused)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted") as emulator:
        async with AsyncSdkClient(access_of(emulator)) as client:
            await client.send(tdmq.create_queue("q"))
        yield emulator


def access_of(emulator: Emulator) -> CloudAccess:
    return CloudAccess.at_endpoint(emulator.endpoint, emulator.secret_id, emulator.secret_key)


def rotate(emulator: Emulator, connection: Connection) -> None:
    """Give the account another key, put it into the connection, and revoke the old one."""
    old = connection.access
    new = emulator.keys.create(account=emulator.key.account)
    connection.access = replace(old, secret_id=new.secret_id, secret_key=new.secret_key, identity="")
    emulator.keys.disable(old.secret_id)


@pytest.fixture
def connection(emulator: Emulator) -> Connection:
    return Connection(access_of(emulator))


@pytest.mark.parametrize("kind", ["asynchronous", "blocking", "queue"])
async def test_a_client_takes_the_new_key_when_the_old_one_is_refused(
    emulator: Emulator, connection: Connection, kind: str
) -> None:
    access = connection.renew(None)
    connection.reads.clear()
    if kind == "queue":
        async with CmqClient(access, retries=0) as queue:
            await queue.send("q", "before")
            rotate(emulator, connection)
            await queue.send("q", "after")
            assert {message.body for message in await queue.receive("q")} == {"before", "after"}
    elif kind == "asynchronous":
        async with AsyncSdkClient(access, retry=NO_RETRY) as client:
            await client.send(POLL)
            rotate(emulator, connection)
            assert await client.send(POLL) == []
    else:
        with SdkClient(access, retry=NO_RETRY) as blocking:
            await asyncio.to_thread(blocking.send, POLL)
            rotate(emulator, connection)
            assert await asyncio.to_thread(blocking.send, POLL) == []
    assert connection.reads == [True], "read once, when it was refused"


async def test_a_long_poll_under_way_is_not_cut_by_an_exchange(emulator: Emulator, connection: Connection) -> None:
    async with CmqClient(connection.renew(None), retries=0) as queue:
        poll = asyncio.ensure_future(queue.receive("q", wait_seconds=20))
        await asyncio.sleep(0.2)
        rotate(emulator, connection)
        await queue.send("q", "arrives")
        [message] = await asyncio.wait_for(poll, 60)
        assert message.body == "arrives"
        assert await queue.delete("q", [message.receipt_handle]) == []


@pytest.mark.parametrize("has_renewal", [True, False])
async def test_a_refusal_stays_a_refusal_when_there_is_no_other_key(
    emulator: Emulator, connection: Connection, has_renewal: bool
) -> None:
    access = connection.renew(None) if has_renewal else connection.access
    connection.reads.clear()
    emulator.keys.disable(emulator.secret_id)
    async with AsyncSdkClient(access) as client, CmqClient(access) as queue:
        with pytest.raises(ApiCredentialsError, match="SecretIdNotFound"):
            await client.send(POLL)
        with pytest.raises(CmqCredentialsError, match="secret id status error"):
            await queue.receive("q")
    assert connection.reads == [True, True] * has_renewal


async def test_a_failed_renewal_hides_no_refusal_leaks_no_secret(
    emulator: Emulator, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    access = connection.renew(None)
    connection.error = RuntimeError(f"cannot parse {SECRET}")
    emulator.keys.disable(emulator.secret_id)
    async with AsyncSdkClient(access) as client:
        with caplog.at_level(logging.DEBUG), pytest.raises(ApiCredentialsError, match="SecretIdNotFound"):
            await client.send(POLL)
    assert "cannot be renewed, the old one is used: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


class Monotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_renewed_when_it_is_due_and_not_before() -> None:
    clock = Monotonic()
    connection = Connection(CloudAccess("AKIDa", SECRET, "r", renew_at=100.0))
    holder = CredentialHolder(connection.renew(None), clock)
    connection.reads.clear()

    clock.now = 99.0
    assert (await holder.refresh()).secret_id == "AKIDa"
    assert connection.reads == []
    connection.access = replace(connection.access, secret_id="AKIDb", renew_at=200.0)
    clock.now = 100.0
    assert (await holder.refresh()).secret_id == "AKIDb"
    assert (await holder.refresh()).secret_id == "AKIDb"
    assert connection.reads == [False]


async def test_a_failed_renewal_keeps_the_old_key_and_is_retried() -> None:
    clock = Monotonic()
    connection = Connection(CloudAccess("AKIDa", SECRET, "r", renew_at=100.0))
    holder = CredentialHolder(connection.renew(None), clock)
    connection.reads.clear()
    connection.error = OSError("away")
    clock.now = 100.0
    for _ in range(3):
        assert (await holder.refresh()).secret_id == "AKIDa"
    assert connection.reads == [False]
    clock.now += AGAIN_AFTER
    connection.error = None
    connection.access = replace(connection.access, secret_id="AKIDb")
    assert (await holder.refresh()).secret_id == "AKIDb"


def test_different_keys_of_one_connection_share_a_principal() -> None:
    first = CloudAccess("AKIDa", SECRET, "r", source="connection 'c'")
    connection = Connection(first)
    second = replace(first, secret_id="AKIDb")
    assert first.principal != second.principal, "without a connection the key says who it is"
    assert replace(first, renewal=connection).principal == replace(second, renewal=connection).principal
    of_a_role = replace(first, renewal=connection, role_arn="qcs::cam::uin/1:roleName/a")
    assert of_a_role.principal != replace(first, renewal=connection).principal
