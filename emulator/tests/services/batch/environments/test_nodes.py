# SPDX-License-Identifier: Apache-2.0
"""A compute node as events and the API show it."""

from __future__ import annotations

import pytest
from helpers.batch_cloud import Cloud
from helpers.batch_environments import create, nodes_of
from tencentcloud.batch.v20170312 import models

from tencent_batch_emulator.services.batch.environments.nodes import NODE_COUNTERS, Node
from tencent_batch_emulator.services.batch.vocabulary import NodeState


def documented(model: object) -> set[str]:
    return {name.removeprefix("_") for name in vars(model)}


async def test_a_node_event_has_the_published_fields(cloud: Cloud) -> None:
    env_id = await create(cloud)
    cloud.clock.advance(1)
    created = (await cloud.events())[1]
    [node] = await nodes_of(cloud, env_id)
    assert created["Batch"] == {
        "ComputeNodeId": node["ComputeNodeId"],
        "EnvId": env_id,
        "ComputeNodeState": "CREATED",
        "Mem": 8,
        "ResourceCreatedTime": node["ResourceCreatedTime"],
        "EnvName": "an-env",
        "ComputeNodeInstanceId": node["ComputeNodeInstanceId"],
        "Cpu": 4,
    }


def test_a_reason_is_told_when_there_is_one() -> None:
    node = Node("node-12345678", "S5.SMALL2", reason="no server is left")
    assert node.event_fields()["StateReason"] == "no server is left"


@pytest.mark.parametrize("instance_id", ["", "ins-12345678"])
def test_a_node_shows_every_documented_field(instance_id: str) -> None:
    view = Node("node-12345678", "S5.SMALL2", instance_id=instance_id).view()
    assert set(view) == documented(models.ComputeNode())
    assert (view["Cpu"], view["Mem"]) == (1, 2)
    assert bool(view["PrivateIpAddresses"]) == bool(view["AgentVersion"]) == bool(instance_id)


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("state", NodeState)
def test_only_a_running_node_without_work_is_idle(state: NodeState, busy: bool) -> None:
    node = Node("node-12345678", "S5.SMALL2", state=state, busy=busy)
    assert node.is_idle == (state is NodeState.RUNNING and not busy)
    assert node.view()["TaskInstanceNumAvailable"] == int(node.is_idle)


def test_every_documented_counter_counts_one_state() -> None:
    assert set(NODE_COUNTERS.values()) == documented(models.ComputeNodeMetrics())
    assert len(NODE_COUNTERS) == len(set(NODE_COUNTERS.values()))
