# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from support.environments import create, env, shown, small_account
from support.tasks import TaskRunner

from airflow_batch_events.events.environment import EnvOutcome, NodeWait
from airflow_batch_events.exceptions import ComputeEnvTimeoutError, CredentialsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.compute_env_wait import ComputeEnvWaitOperator
from airflow_batch_events.protocol.apis import batch
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.testing import RunningEmulator

pytestmark = pytest.mark.usefixtures("cloud")

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])

shared_emulator = small_account


class Waiting(ComputeEnvWaitOperator):
    """Waits for nodes."""

    def __init__(self, *, env_id: str, nodes: int, seconds: float = 300, **kwargs: Any) -> None:
        super().__init__(task_id="t", **kwargs)
        self.env_id, self.nodes, self.seconds = env_id, nodes, seconds
        self.poll_interval = 0.05

    def new_wait(self) -> NodeWait:
        return NodeWait(self.env_id, self.nodes)

    def execute(self, context: Any) -> EnvOutcome:
        self.write_links(context, self.env_id)
        return self.wait_until_nodes_run(self.new_wait(), timeout=self.seconds)

    def execute_complete(self, context: Any, event: Any) -> EnvOutcome:
        return self.outcome_of(event)


def wait_for(env_id: str, nodes: int, **settings: Any) -> TaskRunner:
    return TaskRunner(lambda: Waiting(env_id=env_id, nodes=nodes, **settings))


@pytest.fixture
def env_id() -> str:
    return str(create(env(1)).run())


@BOTH_WAYS
def test_it_waits_until_the_nodes_run(env_id: str, deferrable: bool) -> None:
    task = wait_for(env_id, 2, deferrable=deferrable)
    BatchHook().send(batch.modify_compute_env(env_id, desired_node_count=2))
    outcome = task.run()
    assert (outcome.state, outcome.running_nodes) == ("READY", 2)
    assert shown(env_id).node_counts["RunningCount"] == 2


@BOTH_WAYS
def test_the_time_ends_it(env_id: str, deferrable: bool) -> None:
    outcome = wait_for(env_id, 5, deferrable=deferrable, seconds=0.3).run()
    assert isinstance(outcome.error, ComputeEnvTimeoutError)
    assert "1 of 5 nodes run" in str(outcome.error)


def test_the_link_is_there_before_the_wait(cloud: RunningEmulator, env_id: str) -> None:
    task = wait_for(env_id, 1, deferrable=True)
    seen: dict[str, Any] = {}
    task.run(meanwhile=lambda: seen.update(task.ti.xcoms))
    assert seen["_link_BatchComputeEnvLink"] == f"{cloud.endpoint}/console/envs/{env_id}"


def test_what_cannot_be_read_changes_nothing(cloud: RunningEmulator, env_id: str) -> None:
    task = Waiting(env_id=env_id, nodes=1)
    wait = task.new_wait()
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="InvalidParameterValue", next=1))
    assert not task.poll(wait)
    assert not wait.is_done
    assert task.poll(wait)
    assert wait.is_done


def test_refused_keys_are_raised(cloud: RunningEmulator, env_id: str) -> None:
    cloud.add_fault(Fault(effect="error", action="DescribeComputeEnv", code="AuthFailure.SecretIdNotFound"))
    task = Waiting(env_id=env_id, nodes=1)
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        task.poll(task.new_wait())
