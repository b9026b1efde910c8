# SPDX-License-Identifier: Apache-2.0
"""Whose key a hook uses: a role's, the machine's, or one that is exchanged while a task waits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk import Connection
from support.airflow_names import redact

from airflow_batch_events.exceptions import CmqQueueNotFoundError, ConfigurationError, CredentialsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.hooks.connection import access_from_connection, account_from_connection, aget_access
from tencent_batch_emulator.testing import RunningEmulator

SECRET = "never-show-this"


def make(login: str | None = "AKIDexample", password: str | None = SECRET, **extra: Any) -> Connection:
    return Connection(
        conn_id="c",
        conn_type="tencentcloud",
        login=login,
        password=password,
        extra=json.dumps({"region": "ap-guangzhou", **extra}),
    )


class Keys:
    """Keys of the emulated cloud, and the connection that one of them is in."""

    def __init__(self, cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cloud = cloud
        self._monkeypatch = monkeypatch
        self.account = cloud.call(lambda emulator: emulator.key.account)
        self.role = f"qcs::cam::uin/{self.account}:roleName/hooks"

    def connect(self, **extra: Any) -> str:
        """Write the default connection with a new key, and return the key's id."""
        key = self._cloud.call(lambda emulator: emulator.keys.create(account=self.account))
        self._write({"login": key.secret_id, "password": key.secret_key}, extra)
        return key.secret_id

    def connect_without_key(self, **extra: Any) -> None:
        """Write the default connection without a key; the machine has one."""
        self._monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", self._cloud.secret_id)
        self._monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", self._cloud.secret_key)
        self._write({}, extra)

    def revoke(self, secret_id: str) -> None:
        self._cloud.call(lambda emulator: emulator.keys.disable(secret_id))

    def _write(self, key: dict[str, str], extra: dict[str, Any]) -> None:
        names = ("batch_endpoint", "tdmq_endpoint", "cmq_endpoint", "sts_endpoint")
        extra = {"region": self._cloud.region, **dict.fromkeys(names, self._cloud.endpoint), **extra}
        connection = {"conn_type": "tencentcloud", **key, "extra": extra}
        self._monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))


@pytest.fixture
def keys(cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Keys:
    return Keys(cloud, monkeypatch)


def submit(seconds: int = 0) -> str:
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    application = {"DeliveryForm": "LOCAL", "Command": f"scripted: duration={seconds}"}
    tasks = [{"TaskName": "main", "Application": application, "ComputeEnv": env}]
    return BatchHook().submit_job({"JobName": "j", "Tasks": tasks}, {"Zone": "ap-guangzhou-6"})


def test_a_connection_names_a_role_and_how_it_is_assumed() -> None:
    account = account_from_connection(
        make(
            role_arn="qcs::cam::uin/1:roleName/a",
            role_session_name="team-blue",
            role_duration_seconds="900",
            role_external_id="x:1",
        )
    )
    assert account.role is not None
    assert (account.role.arn, account.role.session_name) == ("qcs::cam::uin/1:roleName/a", "team-blue")
    assert (account.role.duration_seconds, account.role.external_id) == (900, "x:1")
    assert account_from_connection(make()).role is None


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"role_arn": "airflow"}, "role_arn is 'airflow' but must look like qcs::"),
        ({"role_arn": "qcs::x", "role_duration_seconds": "an hour"}, "role_duration_seconds is 'an hour' but must be"),
        ({"role_arn": "qcs::x", "role_duration_seconds": 50_000}, "must be 1 to 43200"),
        ({"role_arn": "qcs::x", "role_session_name": "a b"}, "role_session_name is 'a b'"),
    ],
)
def test_a_malformed_role_is_named_with_the_connection(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"connection 'c': .*{words}"):
        account_from_connection(make(**extra))


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"login": None}, "login"),
        ({"password": None}, "password"),
        ({"login": None, "password": None, "token": "t"}, "login"),
    ],
)
def test_half_a_key_is_a_mistake_and_not_the_machine_s_key(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(CredentialsError, match=rf"has no {missing} .*or leave SecretId, SecretKey and token empty"):
        access_from_connection(make(**fields))


def test_a_connection_without_a_key_uses_the_machine_s(keys: Keys, cloud: RunningEmulator) -> None:
    keys.connect_without_key()
    is_good, message = BatchHook().test_connection()
    assert is_good, message
    assert message.endswith(f"answer in ap-guangzhou to key {cloud.secret_id[:8]}... of the machine")
    assert asyncio.run(aget_access("tencentcloud_default")).secret_id == cloud.secret_id


def test_the_machine_s_key_assumes_the_role(keys: Keys, cloud: RunningEmulator) -> None:
    keys.connect_without_key(role_arn=keys.role)
    is_good, message = BatchHook().test_connection()
    assert is_good, message
    assert message.endswith(f"to role {keys.role}, assumed with key {cloud.secret_id[:8]}... of the machine")


def test_the_connection_s_test_says_who_and_shows_no_secret(keys: Keys, cloud: RunningEmulator) -> None:
    secret_id = keys.connect(role_arn=keys.role)
    hook = BatchHook()
    is_good, message = hook.test_connection()
    assert is_good, message
    assert f"role {keys.role}, assumed with key {secret_id[:8]}..." in message
    assert hook.access.secret_key not in message
    assert hook.access.token is not None
    assert hook.access.token not in message


def test_the_connection_s_test_names_a_missing_role(keys: Keys) -> None:
    keys.connect(role_arn="qcs::cam::uin/99:roleName/nobody")
    is_good, message = BatchHook().test_connection()
    assert not is_good
    assert "the role qcs::cam::uin/99:roleName/nobody cannot be assumed" in message


def test_a_role_is_assumed_once_for_a_thousand_triggers(keys: Keys, cloud: RunningEmulator) -> None:
    keys.connect(role_arn=keys.role)
    before = cloud.count("AssumeRole")

    async def scenario() -> int:
        accesses = await asyncio.gather(*(aget_access("tencentcloud_default") for _ in range(1000)))
        return len({access.key for access in accesses})

    assert asyncio.run(scenario()) == 1
    assert cloud.count("AssumeRole") - before == 1


def test_temporary_keys_and_the_proxy_s_password_are_masked(keys: Keys) -> None:
    keys.connect(role_arn=keys.role)
    access = BatchHook().access
    for secret in (access.secret_key, access.token):
        assert secret is not None
        assert secret not in str(redact(f"before {secret} after"))
    access_from_connection(make(proxy="http://me:Pr0xyPassw0rd@proxy:3128"))
    assert "Pr0xyPassw0rd" not in str(redact("before Pr0xyPassw0rd after"))


def test_a_long_wait_takes_the_connection_s_new_key(keys: Keys, cloud: RunningEmulator) -> None:
    old = keys.connect()
    job_id = submit(3600)
    hook = BatchHook()
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            keys.connect()
            keys.revoke(old)
        else:
            BatchHook().terminate_job(job_id)

    [outcome] = hook.wait_for_jobs([job_id], sleep=sleep)
    assert outcome.state == "FAILED"
    assert len(pauses) == 2
    assert hook.client.access.secret_id != old


def test_a_task_waits_on_until_its_refused_key_is_exchanged(keys: Keys) -> None:
    old = keys.connect()
    job_id = submit(3600)
    hook = BatchHook()
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            keys.revoke(old)
        elif len(pauses) == 3:
            keys.connect()
            BatchHook().terminate_job(job_id)

    [outcome] = hook.wait_for_jobs([job_id], sleep=sleep)
    assert outcome.state == "FAILED"


def test_a_key_that_is_refused_from_the_start_fails_the_task(keys: Keys) -> None:
    secret_id = keys.connect()
    keys.revoke(secret_id)
    with pytest.raises(CredentialsError, match=rf"connection 'tencentcloud_default'.*used was key {secret_id[:8]}"):
        BatchHook().wait_for_jobs(["job-00000000"])


def test_the_queue_hook_takes_the_new_key_as_well(keys: Keys) -> None:
    old = keys.connect()
    hook = CmqHook()
    hook.check()
    keys.connect()
    keys.revoke(old)
    hook.check()


def test_a_queue_is_checked_also_where_a_loop_runs(keys: Keys, cloud: RunningEmulator) -> None:
    keys.connect()

    async def check() -> None:
        CmqHook().check_queue("waits")
        with pytest.raises(CmqQueueNotFoundError, match="'nowhere'"):
            CmqHook().check_queue("nowhere")
        assert BatchHook().get_job_states(["job-00000000"]) == {}

    asyncio.run(check())
