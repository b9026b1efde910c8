# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest
from support.airflow_names import encode_trigger
from support.environments import create, created, delete, env, modify, shown, small_account

from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.exceptions import (
    ComputeEnvFailedError,
    ComputeEnvRefusedError,
    ComputeEnvTimeoutError,
    ConfigurationError,
    CredentialsError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.apis.request import Request
from tencent_batch_emulator.faults.rules import Fault

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])

shared_emulator = small_account


@pytest.fixture(autouse=True)
def _fast(cloud, monkeypatch):
    monkeypatch.setattr("airflow_batch_events.operators.compute_env.BUSY_CHECK", 0.02)


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


def test_all_events_of_environments_are_published(cloud):
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
def test_nodes_that_cannot_be_created_fail_the_task(deferrable):
    task = create(env(1, EnvData={"InstanceType": "NOCAPACITY"}, ResourceMaxRetryCount=1), deferrable=deferrable)
    with pytest.raises(ComputeEnvFailedError, match=r"given up.*no server of type NOCAPACITY is left"):
        task.run()


def test_a_first_failure_fails_the_task_if_none_may_fail():
    broken = env(1, EnvData={"ImageId": "img-badimage"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvFailedError, match=r"where 0 may fail.*the image img-badimage cannot be used"):
        create(broken, max_failed_nodes=0).run()


@BOTH_WAYS
def test_a_timeout_leaves_the_environment(cloud, deferrable):
    broken = env(1, EnvData={"InstanceType": "NOCAPACITY"}, ResourceMaxRetryCount=100)
    with pytest.raises(ComputeEnvTimeoutError, match=r"0 of 1 nodes run"):
        create(broken, deferrable=deferrable, execution_timeout=timedelta(seconds=0.3)).run()
    assert created(cloud) == 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"topic_name": "events", "notifications": []}, "both set"),
        ({"events": ["COMPUTE_NODE_RUNNING"]}, "need a topic_name"),
        ({"topic_name": "events", "events": ["JOB_SUCCEED"]}, "unknown event 'JOB_SUCCEED'; allowed here: COMPUTE_ENV"),
        ({"max_failed_nodes": True}, "max_failed_nodes is True"),
    ],
)
def test_impossible_settings_are_refused_when_the_dag_is_read(kwargs, words):
    with pytest.raises(ValueError, match=words):
        create(**kwargs).make()


@pytest.mark.parametrize(
    ("compute_env", "kwargs", "words"),
    [
        (env(2001), {}, "DesiredComputeNodeCount of compute_env is 2001"),
        ({"EnvName": "x"}, {}, "DesiredComputeNodeCount of compute_env is None"),
        (env(1), {"wait_for_nodes": "-1"}, "wait_for_nodes is '-1', must be a whole number"),
        (env(1), {"wait_for_nodes": 2}, "wait_for_nodes is 2, but DesiredComputeNodeCount of compute_env is 1"),
        (env(Notifications=[{"TopicName": "t"}]), {"topic_name": "events"}, "its own Notifications"),
    ],
)
def test_a_bad_description_creates_nothing(cloud, compute_env, kwargs, words):
    with pytest.raises(ValueError, match=words):
        create(compute_env, **kwargs).run()
    assert created(cloud) == 0


def test_a_number_that_a_template_has_made_a_text_is_a_number():
    assert shown(create(env("1")).run()).desired_node_count == 1


# Modify.


@BOTH_WAYS
@pytest.mark.parametrize("nodes", [4, 1, "0"])
def test_modifying_waits_for_as_many_nodes_as_desired(deferrable, nodes):
    env_id = create().run()
    assert modify(env_id, desired_nodes=nodes, deferrable=deferrable).run() == env_id
    after = shown(env_id)
    assert (len(after.nodes), after.node_counts["RunningCount"]) == (int(nodes), int(nodes))


def test_name_and_types_are_changed_without_a_wait():
    env_id = create(env(0), wait_for_nodes=0).run()
    modify(env_id, name="other", instance_types=["S5.LARGE8"]).run()
    assert shown(env_id).name == "other"


def test_a_change_waits_for_nodes_that_are_created():
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
def test_a_deletion_that_times_out_says_what_was_in_the_way(cloud, deferrable):
    env_id = create(env(0), wait_for_nodes=0).run()
    cloud.add_fault(Fault(effect="error", action="DeleteComputeEnv", code="UnsupportedOperation.ComputeEnvOperation"))
    with pytest.raises(ComputeEnvTimeoutError, match=r"UnsupportedOperation\.ComputeEnvOperation"):
        delete(env_id, timeout=0.3, deferrable=deferrable).run()


@pytest.mark.parametrize("action", ["DescribeComputeEnv", "DeleteComputeEnv", "ModifyComputeEnv"])
@BOTH_WAYS
def test_a_deletion_outlives_an_outage(cloud, action, deferrable):
    env_id = create().run()
    cloud.add_fault(Fault(effect="error", action=action, code="ResourceUnavailable", next=2))
    delete(env_id, drain=True, deferrable=deferrable).run()
    assert created(cloud) == 0


# Connections and triggers.


def test_a_missing_connection_is_named():
    with pytest.raises(ConfigurationError, match="connection 'nowhere' does not exist"):
        create(tencentcloud_conn_id="nowhere", deferrable=True).run()


@BOTH_WAYS
def test_refused_keys_fail_the_wait_at_first_contact(cloud, deferrable):
    env_id = create().run()
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.SecretIdNotFound"))
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        delete(env_id, deferrable=deferrable).run()


def test_a_deferral_outlives_the_deadline():
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


def test_events_end_creating_and_deleting(cloud, queue):
    by_event = {"deferrable": True, "queue_name": queue, "poll_interval": 3600}
    creation = create(topic_name="events", **by_event)
    env_id = creation.run()
    assert creation.ti.xcoms["_link_CmqQueueLink"] == f"{cloud.endpoint}/console/queues/nodes"
    modify(env_id, desired_nodes=0).run()
    delete(env_id, **by_event).run()
    assert created(cloud) == 0
