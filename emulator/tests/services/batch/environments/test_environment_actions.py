# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.batch_cloud import Cloud, job, task
from helpers.batch_environments import create, described, nodes_of

from tencent_batch_emulator.services.batch.settings import Quotas

UNKNOWN = "env-00000000"
NODE = "node-00000000"


async def test_an_environment_is_deleted_only_without_nodes(cloud: Cloud) -> None:
    env_id = await create(cloud)
    cloud.clock.advance(1)
    assert await cloud.error("DeleteComputeEnv", EnvId=env_id) == "UnsupportedOperation.ComputeEnvOperation"
    waiting = await cloud.submit(job(task("scripted: outcome=hang", EnvId=env_id, TaskInstanceNum=2)))
    cloud.clock.advance(2)
    await cloud.call("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=0)
    cloud.clock.advance(1)
    await cloud.call("DeleteComputeEnv", EnvId=env_id)
    assert (await cloud.call("DescribeComputeEnv", EnvId=env_id))["NextAction"] == "DELETING"
    assert await cloud.error("DeleteComputeEnv", EnvId=env_id) == "UnsupportedOperation.AcceptOtherRequest"
    assert (
        await cloud.error("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=1)
        == "UnsupportedOperation.ComputeEnvAcceptOtherRequest"
    )
    cloud.clock.advance(1)
    assert await cloud.error("DescribeComputeEnv", EnvId=env_id) == "ResourceNotFound.ComputeEnv"
    assert (await cloud.event_names())[-1] == "COMPUTE_ENV_DELETED"
    assert await cloud.state(waiting) == "FAILED"


async def test_attached_servers_work_and_can_be_given_back(cloud: Cloud) -> None:
    env_id = await create(cloud, nodes=0)
    await cloud.call("AttachInstances", EnvId=env_id, Instances=[{"InstanceId": "ins-12345678"}])
    cloud.clock.advance(1)
    shown = await cloud.call("DescribeComputeEnv", EnvId=env_id)
    assert (shown["AttachedComputeNodeCount"], shown["DesiredComputeNodeCount"]) == (1, 0)
    assert shown["ComputeNodeSet"][0]["ResourceOrigin"] == "USER_ATTACHED"
    job_id = await cloud.submit(job(task(EnvId=env_id)))
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"
    again = [{"InstanceId": "ins-12345678"}]
    code = await cloud.error("AttachInstances", EnvId=env_id, Instances=again)
    assert code == "UnsupportedOperation.InstancesNotAllowToAttach"
    code = await cloud.error("AttachInstances", EnvId=env_id, Instances=again * 2)
    assert code == "InvalidParameterValue.InstanceIdDuplicated"
    await cloud.call("DetachInstances", EnvId=env_id, InstanceIds=["ins-12345678"])
    cloud.clock.advance(1)
    assert await nodes_of(cloud, env_id) == []
    code = await cloud.error("DetachInstances", EnvId=env_id, InstanceIds=["ins-12345678"])
    assert code == "UnsupportedOperation"


async def test_a_node_of_batch_cannot_be_detached(cloud: Cloud) -> None:
    env_id = await create(cloud)
    cloud.clock.advance(1)
    [node] = await nodes_of(cloud, env_id)
    ids = [node["ComputeNodeInstanceId"]]
    assert await cloud.error("DetachInstances", EnvId=env_id, InstanceIds=ids) == "UnsupportedOperation"


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("InvalidParameter.EnvNameTooLong", {"EnvName": "x" * 61}),
        ("InvalidParameter.EnvDescriptionTooLong", {"EnvDescription": "x" * 201}),
        ("InvalidParameterValue.Negative", {"nodes": -1}),
        ("InvalidParameterValue", {"nodes": 2001}),
        ("InvalidParameterValue.InstanceType", {"EnvData": {"InstanceType": "tiny"}}),
        ("InvalidParameterValue.ComputeEnv", {"EnvData": None}),
        ("InvalidParameterValue.InvalidDataTypeAny", {"nodes": "many"}),
        ("InvalidParameterValue.LocalPath", {"MountDataDisks": [{"LocalPath": "data"}]}),
        (
            "InvalidParameterValue",
            {"Notifications": [{"TopicName": "t", "EventConfigs": [{"EventName": "JOB_FAILED"}]}]},
        ),
        ("LimitExceeded.CpuQuota", {"nodes": 2000}),
    ],
)
async def test_a_bad_environment_is_refused(
    make_cloud: Callable[..., Cloud], code: str, settings: dict[str, Any]
) -> None:
    cloud = make_cloud(quotas=Quotas(cpus=100))
    nodes = settings.pop("nodes", 1) if "nodes" in settings else 1
    request = {"Placement": {"Zone": "ap-guangzhou-6"}, "ComputeEnv": described(nodes, **settings)}
    assert await cloud.error("CreateComputeEnv", **request) == code
    assert (await cloud.call("DescribeComputeEnvs"))["TotalCount"] == 0


async def test_environments_are_limited_and_a_token_makes_one(
    make_cloud: Callable[..., Cloud],
) -> None:
    cloud = make_cloud(quotas=Quotas(compute_envs=1))
    request = {"Placement": {"Zone": "ap-guangzhou-6"}, "ComputeEnv": described(), "ClientToken": "once"}
    first = await cloud.call("CreateComputeEnv", **request)
    assert await cloud.call("CreateComputeEnv", **request) == first
    del request["ClientToken"]
    assert await cloud.error("CreateComputeEnv", **request) == "LimitExceeded.ComputeEnvQuota"


@pytest.mark.parametrize(
    ("action", "code", "request_"),
    [
        ("DescribeComputeEnv", "InvalidParameter.EnvIdMalformed", {"EnvId": "env-1"}),
        ("DescribeComputeEnv", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN}),
        ("DescribeComputeEnvCreateInfo", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN}),
        ("DescribeComputeEnvActivities", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN}),
        ("DescribeComputeEnvs", "InvalidParameter.EnvIdMalformed", {"EnvIds": ["x"]}),
        ("DescribeComputeEnvs", "InvalidFilter", {"Filters": [{"Name": "color", "Values": ["red"]}]}),
        (
            "DescribeComputeEnvs",
            "InvalidParameterValue.ResourceType",
            {"Filters": [{"Name": "resource-type", "Values": ["PC"]}]},
        ),
        (
            "DescribeComputeEnvCreateInfos",
            "InvalidParameter.InvalidParameterCombination",
            {"EnvIds": [UNKNOWN], "Filters": [{"Name": "env-name", "Values": ["x"]}]},
        ),
        ("ModifyComputeEnv", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN}),
        ("TerminateComputeNode", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN, "ComputeNodeId": NODE}),
        ("DeleteComputeEnv", "ResourceNotFound.ComputeEnv", {"EnvId": UNKNOWN}),
    ],
)
async def test_what_is_not_there_is_told_in_the_actions_own_code(
    cloud: Cloud, action: str, code: str, request_: dict[str, Any]
) -> None:
    assert await cloud.error(action, **request_) == code


async def test_nodes_are_destroyed_all_or_none_and_not_twice(cloud: Cloud) -> None:
    env_id = await create(cloud, nodes=2)
    first, second = (node["ComputeNodeId"] for node in await nodes_of(cloud, env_id))

    async def refused(*node_ids: str) -> str:
        return await cloud.error("TerminateComputeNodes", EnvId=env_id, ComputeNodeIds=list(node_ids))

    assert await refused("x") == "InvalidParameter.ComputeNodeIdMalformed"
    assert await refused(NODE) == "ResourceNotFound.ComputeNode"
    assert await refused(first) == "UnsupportedOperation.ComputeNodeForbidTerminate"
    cloud.clock.advance(1)
    assert await refused(first, first) == "UnsupportedOperation"
    assert await refused(first, NODE) == "ResourceNotFound.ComputeNode"
    await cloud.call("TerminateComputeNodes", EnvId=env_id, ComputeNodeIds=[first])
    assert await refused(second, first) == "UnsupportedOperation.ComputeNodeIsTerminating"
    cloud.clock.advance(1)
    assert [node["ComputeNodeId"] for node in await nodes_of(cloud, env_id)] == [second]


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("UnsupportedOperation.ComputeNodeForbidTerminate", {"DesiredComputeNodeCount": 1}),
        ("InvalidParameterValue.Negative", {"DesiredComputeNodeCount": -1}),
        ("LimitExceeded.CpuQuota", {"DesiredComputeNodeCount": 2000}),
        ("InvalidParameterValue.InstanceTypesEmpty", {"EnvData": {"InstanceTypes": []}}),
        ("InvalidParameterValue.InstanceTypeDuplicate", {"EnvData": {"InstanceTypes": ["S5.SMALL2"] * 2}}),
        ("InvalidParameterValue.InstanceType", {"EnvData": {"InstanceTypes": ["tiny"]}}),
        ("InvalidParameter.EnvNameTooLong", {"EnvName": "x" * 61}),
    ],
)
async def test_a_bad_change_is_refused_and_changes_nothing(
    make_cloud: Callable[..., Cloud], code: str, settings: dict[str, Any]
) -> None:
    cloud = make_cloud(quotas=Quotas(cpus=100))
    env_id = await create(cloud, nodes=2)
    before = await cloud.call("DescribeComputeEnvCreateInfo", EnvId=env_id)
    assert await cloud.error("ModifyComputeEnv", EnvId=env_id, **settings) == code
    assert await cloud.call("DescribeComputeEnvCreateInfo", EnvId=env_id) == before
