# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import timedelta

import pytest
from airflow.sdk.bases.operator import TriggerFailureReason
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout
from airflow.serialization.encoders import encode_trigger
from support.emulator_helpers import address_of
from support.tasks import TaskRunner

from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiQuotaError,
    ComputeEnvFailedError,
    ComputeEnvRefusedError,
    ComputeEnvStateUnknownError,
    ComputeEnvTimeoutError,
    ConfigurationError,
    CredentialsError,
    IdentityChangedError,
    SubmissionChangedError,
    SubmissionRecordError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.compute_env import (
    BatchCreateComputeEnvOperator,
    BatchDeleteComputeEnvOperator,
    BatchModifyComputeEnvOperator,
)
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.apis.request import Request
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays, Quotas
from tencent_batch_emulator.testing import start_emulator

PLACEMENT = {"Zone": "ap-guangzhou-6"}
BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])


@pytest.fixture
def shared_emulator():
    """One cloud for each test: an account has room for ten environments only."""
    delays = Delays.none(node_creating=0.05, node_deleting=0.05, resource_retry_scale=0.0001)
    with start_emulator(delays=delays, quotas=Quotas(compute_envs=2), seed=1) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _fast(cloud, monkeypatch):
    monkeypatch.setattr("airflow_batch_events.operators.compute_env.BUSY_CHECK", 0.02)
    monkeypatch.setattr("airflow_batch_events.waiting.create_once.DEFAULT_GRACE", 0.0)


def env(nodes=2, **fields):
    data = {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **fields.pop("EnvData", {})}
    return {"EnvName": "render", "EnvData": data, "DesiredComputeNodeCount": nodes, **fields}


def create(compute_env=None, **kwargs):
    settings = {
        "task_id": "t",
        "compute_env": env() if compute_env is None else compute_env,
        "placement": PLACEMENT,
        "deferrable": False,
        "poll_interval": 0.05,
        **kwargs,
    }
    return TaskRunner(lambda: BatchCreateComputeEnvOperator(**settings))


def modify(env_id, **kwargs):
    settings = {"task_id": "t", "env_id": env_id, "deferrable": False, "poll_interval": 0.05, **kwargs}
    return TaskRunner(lambda: BatchModifyComputeEnvOperator(**settings))


def delete(env_id, **kwargs):
    settings = {"task_id": "t", "env_id": env_id, "deferrable": False, "poll_interval": 0.05, **kwargs}
    return TaskRunner(lambda: BatchDeleteComputeEnvOperator(**settings))


def shown(env_id):
    return BatchHook().send(batch.describe_compute_env(env_id))


def created(cloud):
    return cloud.call(lambda emulator: len(emulator.batch.env_rows()))


@BOTH_WAYS
def test_creating_waits_until_all_nodes_run_and_returns_the_id(deferrable):
    task = create(deferrable=deferrable)
    env_id = task.run()
    assert shown(env_id).node_counts["RunningCount"] == 2
    assert len(task.deferrals) == deferrable


def test_the_id_and_the_link_are_there_before_the_wait(cloud):
    task = create(deferrable=True)
    seen = {}
    task.run(meanwhile=lambda: seen.update(task.ti.xcoms))
    assert seen["env_id"].startswith("env-")
    assert seen["_link_BatchComputeEnvLink"] == f"{cloud.endpoint}/console/envs/{seen['env_id']}"


def test_it_need_not_wait(cloud):
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="InternalError"))
    assert create(wait_for_nodes=0).run().startswith("env-")


def test_it_can_be_content_with_fewer_nodes():
    assert create(env(3), wait_for_nodes="1").run().startswith("env-")


def test_notifications_are_attached_for_all_events_of_environments_to_the_target_that_delivers(cloud):
    env_id = create(topic_name="events", event_vars={"team": "film"}).run()
    row = cloud.call(lambda emulator: emulator.batch.env_rows()[0])
    assert row["EnvId"] == env_id
    assert row["NotificationTarget"] == "TDMQ_CMQ"
    info = BatchHook().send(Request("batch", "DescribeComputeEnvCreateInfo", {"EnvId": env_id}, dict))
    (notification,) = info["Notifications"]
    assert notification["TopicName"] == "events"
    assert [config["EventName"] for config in notification["EventConfigs"]] == [*map(str, COMPUTE_ENV_EVENTS)]
    assert notification["EventConfigs"][0]["EventVars"] == [{"Name": "team", "Value": "film"}]


@BOTH_WAYS
def test_nodes_that_the_cloud_has_given_up_on_fail_the_task_with_its_reason(deferrable):
    task = create(env(1, EnvData={"InstanceType": "NOCAPACITY"}, ResourceMaxRetryCount=1), deferrable=deferrable)
    with pytest.raises(ComputeEnvFailedError, match=r"given up.*no server of type NOCAPACITY is left"):
        task.run()


def test_a_first_failure_fails_the_task_if_none_may_fail():
    broken = env(1, EnvData={"ImageId": "img-badimage"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvFailedError, match=r"where 0 may fail.*the image img-badimage cannot be used"):
        create(broken, max_failed_nodes=0).run()


@BOTH_WAYS
def test_the_execution_time_out_ends_the_wait_and_leaves_the_environment(cloud, deferrable):
    broken = env(1, EnvData={"InstanceType": "NOCAPACITY"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvTimeoutError, match=r"0 of 1 nodes run"):
        create(broken, deferrable=deferrable, execution_timeout=timedelta(seconds=0.3)).run()
    assert created(cloud) == 1


def test_a_retry_finds_the_environment_of_a_try_that_died(cloud):
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


def test_a_try_that_died_before_the_answer_leads_to_one_environment(cloud):
    task = create(wait_for_nodes=0)
    first = task.run()
    record = next(iter(task.store.values()))
    record["job_id"] = None
    assert task.run() == first
    assert created(cloud) == 1


def test_another_description_in_a_later_try_creates_nothing_in_silence(cloud):
    task = create(wait_for_nodes=0)
    env_id = task.run()
    other = create(env(5), wait_for_nodes=0)
    other.store = task.store
    with pytest.raises(SubmissionChangedError, match=f"{env_id}.*BatchModifyComputeEnvOperator"):
        other.run()
    assert created(cloud) == 1


def test_an_environment_that_was_deleted_meanwhile_is_created_anew():
    task = create(wait_for_nodes=0)
    first = task.run()
    delete(first, drain=True).run()
    assert task.run() != first


def test_nothing_is_created_when_nobody_can_say_what_became_of_the_first(cloud):
    task = create(wait_for_nodes=0)
    task.run()
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="ResourceUnavailable"))
    with pytest.raises(ComputeEnvStateUnknownError, match="nothing was created"):
        task.run()
    assert created(cloud) == 1


def test_a_full_account_is_told_what_to_do_and_the_next_try_finds_room():
    others = [BatchHook().send(batch.create_compute_env(env(0), PLACEMENT)) for _ in range(2)]
    task = create()
    with pytest.raises(ApiQuotaError, match="delete or shrink what is not needed"):
        task.run()
    delete(others[0]).run()
    assert task.run().startswith("env-")


def test_what_the_api_refuses_may_be_corrected_in_the_next_try():
    wrong = create(env(1, EnvData={"ImageId": "ubuntu"}))
    with pytest.raises(ApiParameterError, match="ubuntu"):
        wrong.run()
    right = create(env(1))
    right.store = wrong.store
    assert right.run().startswith("env-")


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"topic_name": "events", "notifications": []}, "both set"),
        ({"events": ["COMPUTE_NODE_RUNNING"]}, "need a topic_name"),
        ({"topic_name": "events", "events": ["JOB_SUCCEED"]}, "unknown event 'JOB_SUCCEED'; allowed here: COMPUTE_ENV"),
        ({"max_failed_nodes": True}, "max_failed_nodes is True"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_the_dag_is_read(kwargs, words):
    with pytest.raises(ValueError, match=words):
        create(**kwargs).make()


@pytest.mark.parametrize(
    ("compute_env", "kwargs", "words"),
    [
        (env(2001), {}, "DesiredComputeNodeCount of compute_env is 2001"),
        ({"EnvName": "x"}, {}, "DesiredComputeNodeCount of compute_env is None"),
        (env(1), {"wait_for_nodes": "-1"}, "wait_for_nodes is '-1', must be a whole number"),
        (env(1), {"wait_for_nodes": 2}, "wait_for_nodes is 2, but DesiredComputeNodeCount of compute_env is 1"),
        (env(Notifications=[{"TopicName": "t"}]), {"topic_name": "events"}, "Notifications of its own"),
    ],
)
def test_a_description_that_cannot_be_is_refused_before_anything_is_created(cloud, compute_env, kwargs, words):
    with pytest.raises(ValueError, match=words):
        create(compute_env, **kwargs).run()
    assert created(cloud) == 0


def test_a_number_that_a_template_has_made_a_text_is_a_number():
    assert shown(create(env("1")).run()).desired_node_count == 1


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
def test_a_retry_elsewhere_creates_no_second_environment_and_says_that_the_first_costs_money(cloud, elsewhere, how):
    task = create(wait_for_nodes=0)
    env_id = task.run()
    elsewhere(how)
    before = cloud.count(service="batch")
    with pytest.raises(IdentityChangedError, match=f"{env_id}.*costs money.*Nothing was created"):
        task.run()
    assert cloud.count(service="batch") == before
    assert created(cloud) == 1


def test_a_key_that_was_exchanged_finds_the_environment(cloud, monkeypatch):
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
def test_a_wait_that_fails_leaves_the_environment_and_says_that_it_costs_money(cloud, deferrable, caplog):
    broken = env(1, EnvData={"ImageId": "img-badimage"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvFailedError):
        create(broken, max_failed_nodes=0, deferrable=deferrable).run()
    assert "is left as it is, and costs money as long as it exists" in caplog.text
    assert created(cloud) == 1


@pytest.mark.parametrize("error", [TaskDeferralError, TaskDeferralTimeout])
def test_a_wait_that_airflow_has_ended_says_that_the_environment_costs_money(error, caplog):
    reasons = {TaskDeferralError: "Trigger failure", TaskDeferralTimeout: TriggerFailureReason.TRIGGER_TIMEOUT}
    with pytest.raises(error):
        create().make().resume_execution("__fail__", {"error": reasons[error]}, create().context())
    assert "costs money as long as it exists" in caplog.text


# Modify.


@BOTH_WAYS
@pytest.mark.parametrize("nodes", [4, 1, "0"])
def test_modifying_waits_until_there_are_as_many_nodes_as_desired(deferrable, nodes):
    env_id = create().run()
    assert modify(env_id, desired_nodes=nodes, deferrable=deferrable).run() == env_id
    after = shown(env_id)
    assert (len(after.nodes), after.node_counts["RunningCount"]) == (int(nodes), int(nodes))


def test_name_and_types_are_changed_without_a_wait():
    env_id = create(env(0), wait_for_nodes=0).run()
    modify(env_id, name="other", instance_types=["S5.LARGE8"]).run()
    assert shown(env_id).name == "other"


def test_a_change_that_is_refused_while_nodes_are_created_is_made_afterwards():
    env_id = create(wait_for_nodes=0).run()
    modify(env_id, desired_nodes=1).run()
    assert len(shown(env_id).nodes) == 1


def test_a_change_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing is to be changed"):
        modify("env-12345678").run()


def test_nodes_that_cannot_be_added_fail_the_modification():
    env_id = create(env(0, EnvData={"InstanceType": "NOCAPACITY"}), wait_for_nodes=0).run()
    with pytest.raises(ComputeEnvFailedError, match="NOCAPACITY is left"):
        modify(env_id, desired_nodes=1, max_failed_nodes=0).run()


# Delete.


@BOTH_WAYS
def test_deleting_drains_and_waits_until_the_environment_is_gone(cloud, deferrable):
    env_id = create().run()
    delete(env_id, drain=True, deferrable=deferrable).run()
    assert created(cloud) == 0


def test_deleting_waits_for_nodes_that_are_being_created(cloud):
    env_id = create(wait_for_nodes=0).run()
    delete(env_id, drain=True).run()
    assert created(cloud) == 0


@BOTH_WAYS
def test_an_environment_that_is_gone_is_as_it_should_be(deferrable):
    delete("env-12345678", deferrable=deferrable).run()


def test_an_environment_with_nodes_is_not_deleted_unasked(cloud):
    env_id = create().run()
    with pytest.raises(ComputeEnvRefusedError, match="set drain=True"):
        delete(env_id).run()
    assert shown(env_id).node_counts["RunningCount"] == 2


@BOTH_WAYS
def test_deleting_is_given_up_when_the_time_is_over_and_says_what_was_in_the_way(cloud, deferrable):
    env_id = create(env(0), wait_for_nodes=0).run()
    cloud.add_fault(Fault(effect="error", action="DeleteComputeEnv", code="UnsupportedOperation.ComputeEnvOperation"))
    with pytest.raises(ComputeEnvTimeoutError, match=r"UnsupportedOperation\.ComputeEnvOperation"):
        delete(env_id, timeout=0.3, deferrable=deferrable).run()


@pytest.mark.parametrize("action", ["DescribeComputeEnv", "DeleteComputeEnv", "ModifyComputeEnv"])
@BOTH_WAYS
def test_a_service_that_fails_for_a_moment_does_not_fail_the_deletion(cloud, action, deferrable):
    env_id = create().run()
    cloud.add_fault(Fault(effect="error", action=action, code="ResourceUnavailable", next=2))
    delete(env_id, drain=True, deferrable=deferrable).run()
    assert created(cloud) == 0


# Connections and triggers.


def test_a_missing_connection_is_named_in_the_task_before_it_defers():
    with pytest.raises(ConfigurationError, match="connection 'nowhere' does not exist"):
        create(tencentcloud_conn_id="nowhere", deferrable=True).run()


@BOTH_WAYS
def test_refused_keys_fail_the_wait_at_first_contact(cloud, deferrable):
    env_id = create().run()
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.SecretIdNotFound"))
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        delete(env_id, deferrable=deferrable).run()


def test_a_deferral_fits_into_the_database_and_outlives_the_deadline():
    task = create(deferrable=True, execution_timeout=timedelta(seconds=30))
    task.run()
    (deferral,) = task.deferrals
    encode_trigger(deferral.trigger)
    assert deferral.timeout > timedelta(seconds=30)


@pytest.mark.parametrize("event", [None, "success", {}, {"status": "running"}])
def test_an_event_that_is_not_ours_is_refused(event):
    with pytest.raises(ValueError, match="something else"):
        create().make().execute_complete({}, event)


@pytest.fixture
def queue():
    """A queue that gets what is published to the topic "events"."""
    hook = BatchHook()
    hook.send(tdmq.create_topic("events"))
    hook.send(tdmq.create_queue("nodes"))
    hook.send(tdmq.create_subscription("events", "s", "nodes"))
    return "nodes"


def test_creating_and_deleting_end_by_event_long_before_the_next_poll(cloud, queue):
    by_event = {"deferrable": True, "queue_name": queue, "poll_interval": 3600}
    creation = create(topic_name="events", **by_event)
    env_id = creation.run()
    assert creation.ti.xcoms["_link_CmqQueueLink"] == f"{cloud.endpoint}/console/queues/nodes"
    modify(env_id, desired_nodes=0).run()
    delete(env_id, **by_event).run()
    assert created(cloud) == 0
