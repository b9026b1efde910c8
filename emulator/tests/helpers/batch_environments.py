# SPDX-License-Identifier: Apache-2.0
"""A compute environment that announces everything, and the calls that create it and list its nodes."""

from __future__ import annotations

from typing import Any

from helpers.batch_cloud import NODE_EVENTS, Cloud

EVENTS = ["COMPUTE_ENV_CREATED", "COMPUTE_ENV_DELETED", *NODE_EVENTS]


def described(nodes: int = 1, **settings: Any) -> dict[str, Any]:
    """Describe an environment, notified on the topic ``t``."""
    return {
        "EnvName": "an-env",
        "DesiredComputeNodeCount": nodes,
        "EnvData": {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"},
        "NotificationTarget": "TDMQ_CMQ",
        "Notifications": [{"TopicName": "t", "EventConfigs": [{"EventName": name} for name in EVENTS]}],
        **settings,
    }


async def create(cloud: Cloud, nodes: int = 1, **settings: Any) -> str:
    """Create an environment and return its id."""
    placement = {"Zone": "ap-guangzhou-6"}
    answer = await cloud.call("CreateComputeEnv", Placement=placement, ComputeEnv=described(nodes, **settings))
    return str(answer["EnvId"])


async def nodes_of(cloud: Cloud, env_id: str) -> list[dict[str, Any]]:
    """Return the nodes of an environment as the API shows them."""
    return list((await cloud.call("DescribeComputeEnv", EnvId=env_id))["ComputeNodeSet"])
