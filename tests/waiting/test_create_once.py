# SPDX-License-Identifier: Apache-2.0
"""However often its task is tried, there is one environment, and a task that fails says what is left."""

from __future__ import annotations

import json

import pytest
from airflow.sdk.bases.operator import TriggerFailureReason
from support.emulator_helpers import address_of
from support.environments import PLACEMENT, create, created, delete, env, small_account
from support.without_state_store import Tries

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.exceptions import AirflowSkipException, TaskDeferralError, TaskDeferralTimeout
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiQuotaError,
    ComputeEnvFailedError,
    ComputeEnvNotFoundError,
    ComputeEnvStateUnknownError,
    IdentityChangedError,
    SubmissionChangedError,
    SubmissionRecordError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.waiting.create_once import saying_what_is_left
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.testing import start_emulator

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])

shared_emulator = small_account


@pytest.fixture(autouse=True)
def _no_grace(cloud, monkeypatch):
    monkeypatch.setattr("airflow_batch_events.waiting.create_once.DEFAULT_GRACE", 0.0)


def test_a_retry_finds_the_first_environment(cloud):
    task = create(deferrable=True)

    def die():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task.run(meanwhile=die)
    first = task.ti.xcoms["env_id"]
    assert task.run() == first
    assert created(cloud) == 1


@pytest.mark.parametrize("effect", ["cut_before", "cut_after"])
def test_a_cut_connection_leads_to_one_environment(cloud, effect):
    cloud.add_fault(Fault(effect=effect, action="CreateComputeEnv", next=1))
    create().run()
    assert created(cloud) == 1


def test_a_lost_answer_leads_to_one_environment(cloud):
    task = create(wait_for_nodes=0)
    first = task.run()
    record = next(iter(task.store.values()))
    record["job_id"] = None
    assert task.run() == first
    assert created(cloud) == 1


def test_another_description_creates_nothing(cloud):
    task = create(wait_for_nodes=0)
    env_id = task.run()
    other = create(env(5), wait_for_nodes=0)
    other.store = task.store
    with pytest.raises(SubmissionChangedError, match=f"{env_id}.*BatchModifyComputeEnvOperator"):
        other.run()
    assert created(cloud) == 1


def test_a_deleted_environment_is_created_anew():
    task = create(wait_for_nodes=0)
    first = task.run()
    delete(first, drain=True).run()
    assert task.run() != first


def test_while_the_first_is_unknown_nothing_is_created(cloud):
    task = create(wait_for_nodes=0)
    task.run()
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="ResourceUnavailable"))
    with pytest.raises(ComputeEnvStateUnknownError, match="nothing was created"):
        task.run()
    assert created(cloud) == 1


def test_a_full_account_is_told_what_to_do():
    others = [BatchHook().send(batch.create_compute_env(env(0), PLACEMENT)) for _ in range(2)]
    task = create()
    with pytest.raises(ApiQuotaError, match="delete or shrink what is not needed"):
        task.run()
    delete(others[0]).run()
    assert task.run().startswith("env-")


def test_what_the_api_refuses_may_be_corrected():
    wrong = create(env(1, EnvData={"ImageId": "ubuntu"}))
    with pytest.raises(ApiParameterError, match="ubuntu"):
        wrong.run()
    right = create(env(1))
    right.store = wrong.store
    assert right.run().startswith("env-")


@pytest.fixture
def tries(cloud, monkeypatch):
    """Tries of a task in an Airflow that has no task state store."""
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", False, raising=False)
    return Tries(create(wait_for_nodes=0).make)


def test_without_a_state_store_tags_lead_to_one(cloud, tries):
    first = tries.run()
    assert tries.run() == first
    tries.clear()
    assert tries.run() == first
    assert created(cloud) == 1


def test_without_a_state_store_a_lost_answer_leads_to_one(cloud, tries):
    cloud.add_fault(Fault(effect="cut_after", action="CreateComputeEnv", next=4))
    with pytest.raises(TransportError):
        tries.run()
    tries.run()
    assert created(cloud) == 1


def test_without_a_state_store_a_deleted_one_is_replaced(cloud, tries):
    first = tries.run()
    delete(first, drain=True).run()
    second = tries.run()
    assert second != first
    assert tries.run() == second
    assert created(cloud) == 1


def test_a_search_that_fails_creates_nothing(cloud, tries):
    tries.number = 1
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnvs", code="InternalError"))
    with pytest.raises(SubmissionRecordError, match="Nothing was submitted"):
        tries.run()
    assert created(cloud) == 0


@pytest.fixture
def elsewhere(cloud, monkeypatch):
    """Let the default connection lead to another region, another account, another endpoint or a role."""
    with start_emulator() as other:

        def edit(how):
            connection = address_of(other if how == "endpoint" else cloud).connection()
            if how == "account":
                key = cloud.call(lambda emulator: emulator.keys.create())
                connection |= {"login": key.secret_id, "password": key.secret_key}
            account = cloud.call(lambda emulator: emulator.key.account)
            connection["extra"] |= {
                "region": {"region": "ap-shanghai"},
                "role": {"role_arn": f"qcs::cam::uin/{account}:roleName/envs"},
            }.get(how, {})
            monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))

        yield edit


@pytest.mark.parametrize("how", ["endpoint", "account", "region", "role"])
def test_a_retry_elsewhere_creates_nothing(cloud, elsewhere, how):
    task = create(wait_for_nodes=0)
    env_id = task.run()
    elsewhere(how)
    before = cloud.count(service="batch")
    with pytest.raises(IdentityChangedError, match=f"{env_id}.*costs money.*Nothing was created"):
        task.run()
    assert cloud.count(service="batch") == before
    assert created(cloud) == 1


def test_an_exchanged_key_finds_the_environment(cloud, monkeypatch):
    task = create(wait_for_nodes=0)
    env_id = task.run()
    key = cloud.call(lambda emulator: emulator.keys.create(account=emulator.key.account))
    connection = address_of(cloud).connection() | {"login": key.secret_id, "password": key.secret_key}
    monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))
    assert task.run() == env_id
    assert created(cloud) == 1


def test_a_record_that_cannot_be_read_creates_nothing(cloud):
    task = create(wait_for_nodes=0)
    task.store["tencent_batch_submission"] = {"number": "first"}
    with pytest.raises(SubmissionRecordError):
        task.run()
    assert created(cloud) == 0


@BOTH_WAYS
def test_a_failed_wait_says_what_is_left(cloud, deferrable, caplog):
    broken = env(1, EnvData={"ImageId": "img-badimage"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvFailedError):
        create(broken, max_failed_nodes=0, deferrable=deferrable).run()
    assert "is left as it is, and costs money as long as it exists" in caplog.text
    assert created(cloud) == 1


@pytest.mark.parametrize("error", [TaskDeferralError, TaskDeferralTimeout])
def test_a_wait_that_airflow_ended_says_what_is_left(error, caplog):
    reasons = {TaskDeferralError: "Trigger failure", TaskDeferralTimeout: TriggerFailureReason.TRIGGER_TIMEOUT}
    with pytest.raises(error):
        create().make().resume_execution("__fail__", {"error": reasons[error]}, create().context())
    assert "costs money as long as it exists" in caplog.text


@pytest.mark.parametrize("error", [ComputeEnvNotFoundError, AirflowSkipException])
def test_of_what_is_gone_or_skipped_nothing_is_said(error, caplog):
    with pytest.raises(error), saying_what_is_left("env-1"):
        raise error("it is gone")
    assert "costs money" not in caplog.text
