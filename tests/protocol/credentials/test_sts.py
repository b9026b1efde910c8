# SPDX-License-Identifier: Apache-2.0
"""Roles are assumed at an emulated STS over HTTP; how long a key has left is measured with a moved clock."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_batch_events.exceptions import ApiCredentialsError, ConfigurationError, CredentialsError, TransportError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.credentials import sts
from airflow_batch_events.protocol.credentials.access import CloudAccess, Key
from airflow_batch_events.protocol.credentials.credential_source import CredentialSource
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

NUMBERS = itertools.count()


class Monotonic:
    """The machine's monotonic clock, moved instead of waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    clock = Monotonic()
    monkeypatch.setattr(sts, "time", clock)
    return clock


class Roles:
    """A role that no other test has assumed, and how often it was."""

    def __init__(self, home: RunningEmulator) -> None:
        self._home = home
        self._before = home.count("AssumeRole")
        account = home.call(lambda emulator: emulator.key.account)
        self.arn = f"qcs::cam::uin/{account}:roleName/test-{next(NUMBERS)}"

    @property
    def calls(self) -> int:
        return self._home.count("AssumeRole") - self._before

    def account(self, arn: str | None = None, **settings: object) -> CredentialSource:
        endpoint = self._home.endpoint
        return CredentialSource(
            endpoints={
                "region": self._home.region,
                "cmq_endpoint": endpoint,
                "batch_endpoint": endpoint,
                "tdmq_endpoint": endpoint,
                "sts_endpoint": endpoint,
                "verify": True,
                "proxy": None,
                "source": "connection 'c'",
            },
            key=Key(self._home.secret_id, self._home.secret_key),
            role=sts.Role(arn or self.arn, source="connection 'c'", **settings),  # type: ignore[arg-type]
        )


@pytest.fixture(scope="module")
def emulator() -> Iterator[RunningEmulator]:
    """One whose clock may be moved without anybody else noticing."""
    with start_emulator(delays=Delays.none()) as emulator:
        yield emulator


@pytest.fixture
def home(emulator: RunningEmulator) -> Iterator[RunningEmulator]:
    yield emulator
    emulator.clear_faults()


@pytest.fixture
def roles(home: RunningEmulator) -> Roles:
    return Roles(home)


def is_good(access: CloudAccess) -> bool:
    with SdkClient(access) as client:
        return client.send(batch.describe_jobs(["job-00000000"])) == []


def test_a_role_s_key_is_another_one_and_works(roles: Roles, home: RunningEmulator) -> None:
    access = roles.account().resolve()
    assert access.secret_id != home.secret_id
    assert access.token
    assert access.role_arn == roles.arn
    assert access.identity == f"role {roles.arn}, assumed with key {home.secret_id[:8]}..."
    assert is_good(access)


def test_a_hundred_tasks_and_waits_assume_the_role_once(roles: Roles) -> None:
    account = roles.account()
    with ThreadPoolExecutor(20) as threads:
        keys = {access.key for access in threads.map(lambda _: account.resolve(), range(50))}

    async def waits() -> list[CloudAccess]:
        return await asyncio.gather(*(account.aresolve() for _ in range(50)))

    keys |= {access.key for access in asyncio.run(waits())}
    assert len(keys) == 1
    assert roles.calls == 1


def test_a_key_is_renewed_five_minutes_before_its_end(roles: Roles, clock: Monotonic) -> None:
    account = roles.account()
    first = account.resolve()
    assert first.renew_at is not None
    assert first.renew_at - clock.now == pytest.approx(7200 - 300, abs=5)
    clock.now = first.renew_at - 1
    assert account.resolve().key == first.key
    clock.now = first.renew_at
    assert account.resolve().key != first.key
    assert roles.calls == 2


def test_a_short_key_is_renewed_in_the_middle_of_its_life(roles: Roles, clock: Monotonic) -> None:
    access = roles.account(duration_seconds=100).resolve()
    assert access.renew_at is not None
    assert access.renew_at - clock.now == pytest.approx(50, abs=3)


def test_a_clock_that_is_hours_off_changes_nothing(
    roles: Roles, clock: Monotonic, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sts.CloudClock
    monkeypatch.setattr(sts, "CloudClock", lambda: real(wall=lambda: 1_000_000_000.0))
    access = roles.account().resolve()
    assert access.renew_at is not None
    assert access.renew_at - clock.now == pytest.approx(7200 - 300, abs=5)


def test_while_sts_is_away_a_key_that_has_not_ended_is_used(
    roles: Roles, home: RunningEmulator, clock: Monotonic
) -> None:
    account = roles.account()
    first = account.resolve()
    home.add_fault(Fault(effect="http_500", action="AssumeRole"))
    assert first.renew_at is not None
    clock.now = first.renew_at
    assert account.resolve().key == first.key
    assert account.resolve().key == first.key
    assert roles.calls == 2, "not once for each task while STS is away"
    clock.now += sts.TRY_AGAIN_AFTER
    home.clear_faults()
    assert account.resolve().key != first.key


def test_without_sts_there_is_no_key(roles: Roles, home: RunningEmulator) -> None:
    base = CloudAccess.at_endpoint("http://127.0.0.1:9", "AKIDa", "b")
    with pytest.raises(TransportError, match="AssumeRole"):
        sts.assume(base, sts.Role(roles.arn))


def test_a_refused_key_is_exchanged_once_for_all_its_holders(roles: Roles, clock: Monotonic) -> None:
    account = roles.account()
    first = account.resolve()
    assert account.resolve(first).key == first.key, "it was made a moment ago"
    clock.now += sts.MIN_AGE
    second = account.resolve(first)
    assert second.key != first.key
    assert account.resolve(first).key == second.key
    assert roles.calls == 2


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("qcs::cam::uin/99:roleName/airflow", r"RoleNotFound.*Correct role_arn, or let the key call sts:AssumeRole"),
        ("qcs::cam::nonsense", r"InvalidParameter\.ParamError"),
    ],
)
def test_a_role_that_cannot_be_assumed_says_what_to_do(
    roles: Roles, home: RunningEmulator, arn: str, words: str
) -> None:
    with pytest.raises(CredentialsError, match=words) as caught:
        roles.account(arn).resolve()
    text = str(caught.value)
    assert text.startswith(f"connection 'c': the role {arn} cannot be assumed with key AKID")
    assert home.secret_key not in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"arn": "airflow"}, "role_arn is 'airflow' but must look like qcs::cam::uin"),
        ({"arn": "qcs::x", "session_name": "a b"}, "role_session_name is 'a b'"),
        ({"arn": "qcs::x", "duration_seconds": 43201}, "role_duration_seconds is 43201 but must be 1 to 43200"),
        ({"arn": "qcs::x", "external_id": "?"}, "role_external_id must have"),
        ({"arn": "a" * 9000}, "role_arn is 'a{100}' but must look like"),
        ({"arn": "qcs::x", "session_name": "?" * 9000}, r"role_session_name is '\?{100}' but must have"),
    ],
)
def test_a_malformed_role_is_refused_before_any_call(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"connection 'c': {words}"):
        sts.Role(**settings, source="connection 'c'")  # type: ignore[arg-type]


def test_no_secret_is_shown(roles: Roles, home: RunningEmulator, caplog: pytest.LogCaptureFixture) -> None:
    account = roles.account()
    with caplog.at_level(logging.DEBUG):
        access = account.resolve()
        answer = sts.TemporaryKey(access.key, 1.0)
        texts = [repr(one) for one in (account, access, access.key, access.renewal, answer, sts.assume_role)]
    shown = "\n".join([*texts, *(record.getMessage() for record in caplog.records)])
    assert "Assumed the role" in shown
    assert access.secret_id[:8] in shown
    for secret in (access.secret_key, access.token, home.secret_key):
        assert secret is not None
        assert secret not in shown


def test_a_client_of_a_role_works_on_after_its_key_has_ended(
    roles: Roles, home: RunningEmulator, clock: Monotonic
) -> None:
    access = roles.account(duration_seconds=900).resolve()
    request = batch.describe_jobs(["job-00000000"])

    async def look_twice() -> None:
        async with AsyncSdkClient(access) as client:
            await client.send(request)
            await asyncio.to_thread(home.advance, 901)
            clock.now += 901
            await client.send(request)
            assert client.access.key != access.key

    with SdkClient(access) as blocking:
        blocking.send(request)
        asyncio.run(look_twice())
        blocking.send(request)
    assert roles.calls == 2, "both clients got the same new key"


def test_a_key_without_permission_is_not_exchanged(roles: Roles, home: RunningEmulator) -> None:
    access = roles.account().resolve()
    home.add_fault(Fault(effect="error", action="DescribeJobs", code="UnauthorizedOperation"))
    with SdkClient(access) as client, pytest.raises(ApiCredentialsError):
        client.send(batch.describe_jobs(["job-00000000"]))
    assert roles.calls == 1
    assert client.access.key == access.key


def test_each_account_owns_its_own_keys(home: RunningEmulator) -> None:
    account = home.call(lambda emulator: emulator.key.account)

    def owner(of: int | None) -> str:
        key = home.call(lambda emulator: emulator.keys.create(account=of))
        with SdkClient(CloudAccess.at_endpoint(home.endpoint, key.secret_id, key.secret_key)) as client:
            return client.send(sts.get_caller_account())

    assert owner(account) == str(account)
    assert owner(None) != str(account)


@pytest.mark.parametrize("odd", [{}, {"AccountId": None}, {"AccountId": ""}, {"AccountId": " "}, {"AccountId": ["1"]}])
def test_an_answer_that_names_no_account_is_no_answer(odd: dict[str, object]) -> None:
    with pytest.raises((LookupError, ValueError)):
        sts.get_caller_account().parse(odd)
