# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
from support.tasks import TaskRunner

from airflow_batch_events.emulator.batch.settings import Delays
from airflow_batch_events.emulator.faults import Fault
from airflow_batch_events.emulator.testing import start_emulator
from airflow_batch_events.exceptions import ComputeEnvFailedError, ComputeEnvNotFoundError, CredentialsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol import batch
from airflow_batch_events.sensors.compute_env import BatchComputeEnvSensor

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "poking"])


@pytest.fixture
def shared_emulator():
    """One cloud for each test: an account has room for ten environments only."""
    with start_emulator(delays=Delays.none(node_creating=0.3, resource_retry_scale=1), seed=1) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _cloud(cloud):
    """Every test has the connection."""


def new_env(nodes=2, **data):
    env_data = {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **data}
    compute_env = {"EnvName": "render", "EnvData": env_data, "DesiredComputeNodeCount": nodes}
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
def test_the_time_out_is_airflow_s_own_and_says_what_was_missing(deferrable):
    with pytest.raises(AirflowSensorTimeout):
        sense(new_env(1), nodes=2, timeout=0.3, deferrable=deferrable).run()


@BOTH_WAYS
def test_something_that_is_no_environment_s_id_is_not_found(deferrable):
    with pytest.raises(ComputeEnvNotFoundError, match="EnvIdMalformed"):
        sense("render", deferrable=deferrable).run()


def test_soft_fail_skips():
    with pytest.raises(AirflowSkipException, match="NOCAPACITY"):
        sense(new_env(InstanceType="NOCAPACITY"), max_failed_nodes=0, soft_fail=True, deferrable=True).run()


@BOTH_WAYS
def test_looks_that_fail_for_a_moment_change_nothing(cloud, deferrable):
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


def test_refused_keys_fail_a_deferred_wait_at_first_contact(cloud):
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.SecretIdNotFound"))
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        sense("env-12345678", deferrable=True).run()


def test_refused_keys_are_weather_after_a_first_answer(cloud):
    env_id = new_env(1)
    task = sense(env_id, deferrable=True)
    fault = Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.TokenFailure", after=0.15, next=2)
    assert task.run(meanwhile=lambda: cloud.add_fault(fault))["succeeded"]
    assert cloud.count("DescribeComputeEnv", code="AuthFailure.TokenFailure") == 2


@pytest.mark.parametrize("nodes", [-1, 2001, "many", None, True])
def test_a_number_of_nodes_that_cannot_be_is_refused(nodes):
    with pytest.raises(ValueError, match=r"nodes is .*, must be a whole number from 0 to 2000"):
        sense("env-12345678", nodes=nodes).run()
