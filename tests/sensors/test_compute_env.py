# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import threading

import pytest
from support.tasks import TaskRunner

from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.events.catalog import COMPUTE_ENV_EVENTS
from airflow_batch_events.events.notifications import build_notifications
from airflow_batch_events.exceptions import (
    ComputeEnvFailedError,
    ComputeEnvNotFoundError,
    ConfigurationError,
    CredentialsError,
    TransportError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.apis.batch_answers import Activity
from airflow_batch_events.sensors.compute_env import BatchComputeEnvSensor
from airflow_batch_events.triggers.compute_env import BatchComputeEnvTrigger
from devtools.waits import wait_until
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import start_emulator

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "poking"])


@pytest.fixture
def shared_emulator():
    """One cloud for each test: an account has room for ten environments only."""
    with start_emulator(delays=Delays.none(node_creating=0.3, resource_retry_scale=1), seed=1) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _cloud(cloud):
    """Every test has the connection."""


@pytest.fixture
def queue(shared_emulator):
    """A queue that gets the events of environments; the fixture's value is its name."""
    hook = BatchHook()
    hook.send(tdmq.create_topic("events"))
    hook.send(tdmq.create_queue("nodes"))
    hook.send(tdmq.create_subscription("events", "s", "nodes"))
    return "nodes"


def new_env(nodes=2, *, notify=False, **data):
    env_data = {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **data}
    compute_env = {"EnvName": "render", "EnvData": env_data, "DesiredComputeNodeCount": nodes}
    if notify:
        notifications = build_notifications("events", COMPUTE_ENV_EVENTS, None, allowed=COMPUTE_ENV_EVENTS)
        compute_env |= {"NotificationTarget": "TDMQ_CMQ", "Notifications": notifications}
    return BatchHook().send(batch.create_compute_env(compute_env, {"Zone": "ap-guangzhou-6"}))


def sense(env_id, **kwargs):
    settings = {"task_id": "t", "env_id": env_id, "poke_interval": 0.1, "timeout": 10, "deferrable": False, **kwargs}
    return TaskRunner(lambda: BatchComputeEnvSensor(**settings))


@BOTH_WAYS
def test_it_waits_until_so_many_nodes_run_and_says_how_many(deferrable):
    env_id = new_env()
    outcome = sense(env_id, nodes="2", deferrable=deferrable).run()
    assert outcome == {"env_id": env_id, "state": "READY", "succeeded": True, "running_nodes": 2, "reason": None}


@BOTH_WAYS
def test_creation_failures_fail_the_task_with_the_cloud_s_reason(deferrable):
    env_id = new_env(InstanceType="NOCAPACITY")
    with pytest.raises(ComputeEnvFailedError, match="no server of type NOCAPACITY is left"):
        sense(env_id, max_failed_nodes=1, deferrable=deferrable).run()


@BOTH_WAYS
def test_a_timeout_is_airflow_s_own(deferrable):
    with pytest.raises(AirflowSensorTimeout):
        sense(new_env(1), nodes=2, timeout=0.3, deferrable=deferrable).run()


@BOTH_WAYS
def test_what_is_no_id_is_not_found(deferrable):
    with pytest.raises(ComputeEnvNotFoundError, match="EnvIdMalformed"):
        sense("render", deferrable=deferrable).run()


def test_soft_fail_skips():
    with pytest.raises(AirflowSkipException, match="NOCAPACITY"):
        sense(new_env(InstanceType="NOCAPACITY"), max_failed_nodes=0, soft_fail=True, deferrable=True).run()


@BOTH_WAYS
def test_polls_that_fail_for_a_moment_change_nothing(cloud, deferrable):
    env_id = new_env(1)
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="ResourceUnavailable", next=2))
    assert sense(env_id, deferrable=deferrable).run()["succeeded"]


@pytest.mark.parametrize("code", ["ResourceUnavailable", "UnauthorizedOperation"])
@BOTH_WAYS
def test_reasons_that_cannot_be_read_do_not_hide_the_failure(cloud, code, deferrable):
    env_id = new_env(InstanceType="NOCAPACITY")
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnvActivities", code=code))
    with pytest.raises(ComputeEnvFailedError, match=r"could not be created \(2, where 1 may fail\)"):
        sense(env_id, max_failed_nodes=1, deferrable=deferrable).run()


@pytest.mark.parametrize("way", [{"deferrable": True}, {"mode": "poke"}, {"mode": "reschedule"}], ids=str)
def test_refused_keys_end_nothing_after_a_first_answer(cloud, way):
    """Keys that were good once are being exchanged."""
    env_id = new_env(1)
    before = cloud.count("DescribeComputeEnv", code="OK")
    code = "AuthFailure.TokenFailure"

    def exchange_keys():
        wait_until(
            lambda: cloud.count("DescribeComputeEnv", code="OK") > before or None, failure=lambda: "not polled so often"
        )
        cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code=code, next=2))
        wait_until(
            lambda: cloud.count("DescribeComputeEnv", code=code) == 2 or None, failure=lambda: "not polled so often"
        )
        BatchHook().send(batch.modify_compute_env(env_id, desired_node_count=2))

    exchange = threading.Thread(target=exchange_keys)
    exchange.start()
    try:
        assert sense(env_id, nodes=2, timeout=60, **way).run()["succeeded"]
    finally:
        exchange.join()


@pytest.mark.parametrize("way", [{"deferrable": True}, {"mode": "poke"}, {"mode": "reschedule"}], ids=str)
def test_refused_keys_fail_the_task_at_first_contact(cloud, way):
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.SecretIdNotFound"))
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        sense("env-12345678", **way).run()


@BOTH_WAYS
@pytest.mark.parametrize(
    ("setting", "error"), [({}, AirflowSensorTimeout), ({"never_fail": True}, AirflowSkipException)]
)
def test_a_timeout_says_what_is_known(deferrable, setting, error):
    """Airflow's own timeout of a sensor that pokes knows neither."""
    with pytest.raises(error, match="of 2 nodes run"):
        sense(new_env(1), nodes=2, timeout=0.6, deferrable=deferrable, **setting).run()


@pytest.mark.parametrize("nodes", [-1, 2001, "many", None, True])
def test_a_number_of_nodes_that_cannot_be_is_refused(nodes):
    with pytest.raises(ValueError, match=r"nodes is .*, must be a whole number from 0 to 2000"):
        sense("env-12345678", nodes=nodes).run()


def sense_by_event(env_id, queue, **kwargs):
    """Wait, and poll the API only hourly unless an event comes."""
    settings = {"poke_interval": 3600, "timeout": 7200, **kwargs}
    return sense(env_id, deferrable=True, queue_name=queue, **settings)


def test_an_event_ends_the_wait(cloud, queue):
    env_id = new_env(notify=True)
    task = sense_by_event(env_id, queue, nodes=2)
    assert task.run()["running_nodes"] == 2
    assert cloud.count("DescribeComputeEnv") <= 4
    assert task.ti.xcoms["_link_CmqQueueLink"] == f"{cloud.endpoint}/console/queues/nodes"


def test_an_event_of_a_failed_creation_fails_the_task(queue):
    env_id = new_env(notify=True, InstanceType="NOCAPACITY")
    with pytest.raises(ComputeEnvFailedError, match="no server of type NOCAPACITY is left"):
        sense_by_event(env_id, queue, max_failed_nodes=1).run()


def test_an_event_that_is_not_true_ends_nothing(cloud, queue):
    env_id = new_env(notify=True)
    forged = f'{{"Events": [{{"EventName": "COMPUTE_NODE_RUNNING", "Batch": {{"EnvId": "{env_id}"}}}}]}}'
    task = sense_by_event(env_id, queue, nodes=3, timeout=4)
    with pytest.raises(AirflowSensorTimeout, match="2 of 3 nodes run"):
        task.run(meanwhile=lambda: [CmqHook().send(queue, forged) for _ in range(3)])


def test_without_events_it_polls_as_often_as_it_is_told(queue):
    env_id = new_env()
    assert sense(env_id, deferrable=True, queue_name=queue, poke_interval=0.1).run()["succeeded"]


def test_a_missing_queue_fails_the_wait(cloud):
    with pytest.raises(WaitQueueNotFoundError, match="no-such-queue"):
        sense_by_event(new_env(), "no-such-queue", nodes=3).run()


def test_a_queue_needs_an_address(cloud, monkeypatch):
    bare = {"conn_type": "tencentcloud", "login": "a", "password": "b", "extra": {"region": "ap-guangzhou"}}
    monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(bare))
    with pytest.raises(ConfigurationError, match="cmq_endpoint"):
        sense_by_event("env-12345678", "nodes").run()


def test_an_unreadable_node_hides_no_other_node(monkeypatch):
    """One bad item stops the others."""
    told = Activity("act-2", "node-2", "CREATE_COMPUTE_NODE", "FAILED")

    def answer(request):
        if request.params["Filters"]["Values"] == ["node-1"]:
            raise TransportError("not understood")
        return [told]

    class Client:
        async def send(self, request):
            return answer(request)

    sensor = BatchComputeEnvSensor(task_id="t", env_id="env-1")
    monkeypatch.setattr(sensor.hook, "send", answer)
    assert sensor._activities_of("env-1", ["node-1", "node-2"]) == [told]
    trigger = BatchComputeEnvTrigger("env-1")
    assert asyncio.run(trigger._activities_of(Client(), ["node-1", "node-2"])) == [told]
