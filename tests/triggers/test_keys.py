# SPDX-License-Identifier: Apache-2.0
"""Waits on a shared reader go on when their connection's key is exchanged, and when the key of an assumed role ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.emulator_helpers import address_of, announced_job, first_payload, submit_jobs

from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.batch import BatchJobTrigger
from devtools.emulator_process import CloudAddress
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

WAITS = 30
HOUR = 3600
NO_MESSAGE = "7000"


class Home:
    """An emulated cloud, and the connection that leads to it."""

    def __init__(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.emulator = emulator
        self._monkeypatch = monkeypatch
        self.secrets: list[str] = []
        # Its own key, which no test revokes.
        self.admin = address_of(emulator).access()
        self.client = AsyncSdkClient(self.admin)

    def connect(self, **extra: Any) -> str:
        """Write a connection with a new key, and return the key's id."""
        key = self.emulator.keys.create(account=self.emulator.key.account)
        address = CloudAddress(self.emulator.endpoint, key.secret_id, key.secret_key, self.emulator.region)
        connection = address.connection()
        connection["extra"] |= extra
        self._monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))
        self.secrets.append(key.secret_key)
        return key.secret_id

    async def submit(self, count: int) -> list[str]:
        return await submit_jobs(self.client, announced_job(f"scripted: duration={HOUR}", "t"), count)

    async def until(self, action: str, more: int = 1, seconds: float = 10.0) -> None:
        """Wait for so many more calls that worked."""
        wanted = self._worked(action) + more
        await _until(lambda: self._worked(action) >= wanted, seconds, f"{action} did not work {more} times")

    def keys_used(self) -> set[str]:
        """Return the ids of the keys with which the queue service was called and answered."""
        calls = self.emulator.requests.last(10_000)
        return {call.secret_id for call in calls if call.service == "cmq" and call.code in ("OK", NO_MESSAGE)}

    async def until_keys_were_used(self, number: int, seconds: float = 10.0) -> None:
        """Wait until the queue service has been called with so many keys."""
        await _until(lambda: len(self.keys_used()) >= number, seconds, f"not {number} keys were used")

    def _worked(self, action: str) -> int:
        return sum(self.emulator.requests.count(action, code=code) for code in ("OK", NO_MESSAGE))


async def _until(is_so: Callable[[], bool], seconds: float, failure: str) -> None:
    for _ in range(int(seconds * 50)):
        if is_so():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{failure} in {seconds} s")


@pytest.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        home = Home(emulator, monkeypatch)
        async with home.client as client:
            await client.send(tdmq.create_topic("t"))
            await client.send(tdmq.create_queue("q"))
            await client.send(tdmq.create_subscription("t", "s", "q"))
            yield home


def start_waits(job_ids: list[str]) -> list[asyncio.Task[Any]]:
    return [asyncio.ensure_future(first_payload(BatchJobTrigger(job_id, "q"))) for job_id in job_ids]


async def succeeded(waits: list[asyncio.Task[Any]]) -> list[str]:
    """Return the jobs whose waits ended well, in order."""
    payloads = await asyncio.wait_for(asyncio.gather(*waits), 20)
    outcomes = [payload["outcomes"][0] for payload in payloads]
    return [outcome["job_id"] for outcome in outcomes if outcome["state"] == "SUCCEED"]


async def test_waits_go_on_when_the_connection_s_key_is_exchanged(home: Home) -> None:
    emulator = home.emulator
    old = home.connect()
    job_ids = await home.submit(WAITS)
    waits = start_waits(job_ids)
    await home.until("BatchReceiveMessage")
    # A poll is under way, signed with the old key.
    new = home.connect()
    emulator.keys.disable(old)
    later_ids = await home.submit(WAITS)
    later = start_waits(later_ids)
    await home.until("DescribeJobs")
    emulator.clock.advance(HOUR)
    assert await succeeded([*waits, *later]) == job_ids + later_ids
    used = {call.secret_id for call in emulator.requests.last(10_000) if call.action == "BatchDeleteMessage"}
    assert used == {new}


async def test_after_an_exchange_there_is_still_one_reader(home: Home) -> None:
    emulator = home.emulator
    home.connect()
    waits = start_waits(await home.submit(3))
    await home.until("BatchReceiveMessage")
    home.connect()
    waits += start_waits(await home.submit(3))
    before = emulator.requests.count("BatchReceiveMessage")
    await asyncio.sleep(4)
    assert emulator.requests.count("BatchReceiveMessage") - before <= 2, "one long poll of three seconds at a time"
    emulator.clock.advance(HOUR)
    assert len(await succeeded(waits)) == 6


async def test_waits_outlive_the_keys_of_a_role_and_assume_it_seldom(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = home.emulator
    role = f"qcs::cam::uin/{emulator.key.account}:roleName/waits"
    with caplog.at_level(logging.DEBUG):
        own = home.connect(role_arn=role, role_duration_seconds=900)
        job_ids = await home.submit(WAITS)
        waits = start_waits(job_ids)
        await home.until("BatchReceiveMessage")
        assert emulator.requests.count("AssumeRole") == 1, "once for all waits"
        for keys in (2, 3):
            # Not just until the next receive has worked: it may be one that began with the key before.
            emulator.clock.advance(901)
            await home.until_keys_were_used(keys)
        emulator.clock.advance(HOUR)
        assert await succeeded(waits) == job_ids
    assert emulator.requests.count("AssumeRole", code="OK") <= 4, "once a period, not once a wait or a client"
    used = home.keys_used()
    assert own not in used, "the connection's key only assumes the role"
    keys = [key for secret_id in used if (key := emulator.keys.find(secret_id))]
    secrets = [*home.secrets, *(key.secret_key for key in keys), *(key.token for key in keys if key.token)]
    assert len(secrets) >= 7
    assert [secret for secret in secrets if secret in caplog.text] == []


async def test_waits_outlast_a_revoked_key_until_there_is_another(home: Home) -> None:
    emulator = home.emulator
    old = home.connect()
    job_ids = await home.submit(3)
    waits = start_waits(job_ids)
    await home.until("BatchReceiveMessage")
    emulator.keys.disable(old)
    await asyncio.sleep(4)
    assert not any(wait.done() for wait in waits)
    home.connect()
    emulator.clock.advance(HOUR)
    assert await succeeded(waits) == job_ids


async def test_a_key_that_is_refused_from_the_start_fails_the_wait(home: Home) -> None:
    home.emulator.keys.disable(home.connect())
    payload = await asyncio.wait_for(first_payload(BatchJobTrigger("job-00000000", "q")), 10)
    assert payload["error"] == "CredentialsError"
    assert "connection 'tencentcloud_default'" in payload["message"]


async def test_a_role_that_cannot_be_assumed_fails_the_wait(home: Home) -> None:
    home.connect(role_arn="qcs::cam::uin/99:roleName/nobody")
    payload = await asyncio.wait_for(first_payload(BatchJobTrigger("job-00000000", "q")), 10)
    assert payload["error"] == "CredentialsError"
    assert "connection 'tencentcloud_default': the role qcs::cam::uin/99:roleName/nobody" in payload["message"]
