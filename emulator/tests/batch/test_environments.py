# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from helpers.batch_cloud import NODE_EVENTS, job, task

from tencent_batch_emulator.services.batch.settings import Quotas

UNKNOWN = "env-00000000"
NODE = "node-00000000"
EVENTS = ["COMPUTE_ENV_CREATED", "COMPUTE_ENV_DELETED", *NODE_EVENTS]


def described(nodes=1, **settings):
    return {
        "EnvName": "an-env",
        "DesiredComputeNodeCount": nodes,
        "EnvData": {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"},
        "NotificationTarget": "TDMQ_CMQ",
        "Notifications": [{"TopicName": "t", "EventConfigs": [{"EventName": name} for name in EVENTS]}],
        **settings,
    }


async def create(cloud, nodes=1, **settings):
    answer = await cloud.call(
        "CreateComputeEnv", Placement={"Zone": "ap-guangzhou-6"}, ComputeEnv=described(nodes, **settings)
    )
    return answer["EnvId"]


async def nodes_of(cloud, env_id):
    return (await cloud.call("DescribeComputeEnv", EnvId=env_id))["ComputeNodeSet"]


async def test_nodes_pass_through_their_states_and_say_so(cloud):
    env_id = await create(cloud)
    seen = []
    for _ in range(10):
        [node] = await nodes_of(cloud, env_id)
        if node["ComputeNodeState"] not in seen:
            seen.append(node["ComputeNodeState"])
        cloud.clock.advance(0.1)
    assert seen == ["SUBMITTED", "CREATING", "CREATED", "RUNNING"]
    assert await cloud.event_names() == ["COMPUTE_ENV_CREATED", "COMPUTE_NODE_CREATED", "COMPUTE_NODE_RUNNING"]
    [node] = await nodes_of(cloud, env_id)
    assert (node["Cpu"], node["Mem"], node["TaskInstanceNumAvailable"]) == (4, 8, 1)


async def test_a_node_event_has_the_published_fields(cloud):
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


async def test_a_job_takes_one_node_for_each_instance_and_gives_it_back(cloud):
    env_id = await create(cloud, nodes=2)
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=3, EnvId=env_id)))
    cloud.clock.advance(5)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert (shown["TaskInstanceMetrics"]["RunningCount"], shown["TaskInstanceMetrics"]["RunnableCount"]) == (2, 1)
    assert {node["TaskInstanceNumAvailable"] for node in await nodes_of(cloud, env_id)} == {0}
    instance = await cloud.instance(job_id)
    assert instance["ComputeNodeInstanceId"] in {
        node["ComputeNodeInstanceId"] for node in await nodes_of(cloud, env_id)
    }
    cloud.clock.advance(30)
    assert await cloud.state(job_id) == "SUCCEED"
    assert {node["TaskInstanceNumAvailable"] for node in await nodes_of(cloud, env_id)} == {1}
    assert "COMPUTE_NODE_DELETING" not in await cloud.event_names()


async def test_a_job_without_a_node_waits_and_does_not_hold_up_others(cloud):
    env_id = await create(cloud, nodes=0)
    waiting = await cloud.submit(job(task(EnvId=env_id), Priority=100))
    other = await cloud.submit(job(task()))
    cloud.clock.advance(5)
    assert (await cloud.state(waiting), await cloud.state(other)) == ("RUNNABLE", "SUCCEED")
    await cloud.call("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=1)
    cloud.clock.advance(5)
    assert await cloud.state(waiting) == "SUCCEED"


async def test_an_interrupted_instance_keeps_its_node_until_it_is_terminated(cloud):
    env_id = await create(cloud)
    job_id = await cloud.submit(job(task("scripted: outcome=failed", EnvId=env_id, FailedAction="INTERRUPT")))
    cloud.clock.advance(5)
    assert (await nodes_of(cloud, env_id))[0]["TaskInstanceNumAvailable"] == 0
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"
    assert (await nodes_of(cloud, env_id))[0]["TaskInstanceNumAvailable"] == 1


async def test_a_destroyed_node_costs_its_instance_an_execution(cloud):
    env_id = await create(cloud, nodes=2)
    described_task = task("scripted: duration=60", EnvId=env_id, MaxRetryCount=1)
    job_id = await cloud.submit(job(described_task))
    cloud.clock.advance(5)
    first = (await cloud.instance(job_id))["ComputeNodeInstanceId"]
    [node] = [one for one in await nodes_of(cloud, env_id) if one["ComputeNodeInstanceId"] == first]
    await cloud.call("TerminateComputeNode", EnvId=env_id, ComputeNodeId=node["ComputeNodeId"])
    cloud.clock.advance(5)
    shown = await cloud.instance(job_id)
    assert shown["TaskInstanceState"] == "RUNNING"
    assert shown["ComputeNodeInstanceId"] != first
    env = await cloud.call("DescribeComputeEnv", EnvId=env_id)
    assert (env["DesiredComputeNodeCount"], len(env["ComputeNodeSet"])) == (1, 1)


async def test_a_creation_that_fails_is_repeated_with_the_documented_pauses(cloud):
    data = {"InstanceType": "NOCAPACITY"}
    env_id = await create(cloud, EnvData=data, ResourceMaxRetryCount=1)
    cloud.clock.advance(500)
    [node] = await nodes_of(cloud, env_id)
    assert node["ComputeNodeState"] == "CREATION_FAILED"
    cloud.clock.advance(5000)
    assert (await cloud.event_names()).count("COMPUTE_NODE_CREATION_FAILED") == 2
    activities = (await cloud.call("DescribeComputeEnvActivities", EnvId=env_id))["ActivitySet"]
    assert [one["ActivityState"] for one in activities] == ["FAILED", "FAILED"]
    assert activities[0]["StateReason"].startswith("InternalError.CallCvm:")
    assert activities[0]["Cause"] == f"CreateComputeNode {node['ComputeNodeId']}"
    assert activities[1]["Cause"] == "CreateComputeEnv: the capacity is 1"


async def test_an_abnormal_node_is_replaced(cloud):
    env_id = await create(cloud, EnvData={"InstanceType": "NODELOST"})
    cloud.clock.advance(1)
    [first] = await nodes_of(cloud, env_id)
    cloud.clock.advance(20)
    [second] = await nodes_of(cloud, env_id)
    assert second["ComputeNodeState"] == "RUNNING"
    assert second["ComputeNodeId"] != first["ComputeNodeId"]
    assert await cloud.event_names() == [
        "COMPUTE_ENV_CREATED",
        *(f"COMPUTE_NODE_{name}" for name in ("CREATED", "RUNNING", "ABNORMAL", "DELETING", "CREATED", "RUNNING")),
    ]


async def test_growing_and_shrinking_leave_activities_with_their_cause(cloud):
    env_id = await create(cloud)
    cloud.clock.advance(1)
    await cloud.call("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=2, EnvName="renamed")
    cloud.clock.advance(1)
    shown = await cloud.call("DescribeComputeEnv", EnvId=env_id)
    assert (shown["EnvName"], shown["ComputeNodeMetrics"]["RunningCount"]) == ("renamed", 2)
    await cloud.call("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=0)
    assert (await cloud.call("DescribeComputeEnv", EnvId=env_id))["ComputeNodeMetrics"]["DeletingCount"] == 2
    cloud.clock.advance(1)
    assert await nodes_of(cloud, env_id) == []
    answer = await cloud.call("DescribeComputeEnvActivities", EnvId=env_id, Limit=3)
    assert answer["TotalCount"] == 4
    assert [one["Cause"] for one in answer["ActivitySet"]] == [
        "ModifyComputeEnv: decrease the capacity from 2 to 0",
        "ModifyComputeEnv: decrease the capacity from 2 to 0",
        "ModifyComputeEnv: increase the capacity from 1 to 2",
    ]
    node_id = answer["ActivitySet"][-1]["ComputeNodeId"]
    one_node = {"Name": "compute-node-id", "Values": [node_id]}
    answer = await cloud.call("DescribeComputeEnvActivities", EnvId=env_id, Filters=one_node)
    assert {one["ComputeNodeActivityType"] for one in answer["ActivitySet"]} == {
        "CREATE_COMPUTE_NODE",
        "TERMINATE_COMPUTE_NODE",
    }


async def test_an_environment_is_deleted_only_without_nodes_and_then_gone(cloud):
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


async def test_attached_servers_work_and_can_be_given_back(cloud):
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


async def test_a_node_of_batch_cannot_be_detached(cloud):
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
async def test_a_bad_environment_is_refused(make_cloud, code, settings):
    cloud = make_cloud(quotas=Quotas(cpus=100))
    nodes = settings.pop("nodes", 1) if "nodes" in settings else 1
    request = {"Placement": {"Zone": "ap-guangzhou-6"}, "ComputeEnv": described(nodes, **settings)}
    assert await cloud.error("CreateComputeEnv", **request) == code
    assert (await cloud.call("DescribeComputeEnvs"))["TotalCount"] == 0


async def test_the_number_of_environments_is_limited_and_a_token_makes_only_one(make_cloud):
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
        ("DescribeComputeEnvs", "InvalidFilter", {"Filters": [{"Name": "colour", "Values": ["red"]}]}),
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
async def test_what_is_not_there_is_told_in_the_actions_own_code(cloud, action, code, request_):
    assert await cloud.error(action, **request_) == code


async def test_nodes_are_destroyed_all_or_none_and_not_twice(cloud):
    env_id = await create(cloud, nodes=2)
    first, second = (node["ComputeNodeId"] for node in await nodes_of(cloud, env_id))

    async def refused(*node_ids):
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
async def test_a_bad_change_is_refused_and_changes_nothing(make_cloud, code, settings):
    cloud = make_cloud(quotas=Quotas(cpus=100))
    env_id = await create(cloud, nodes=2)
    before = await cloud.call("DescribeComputeEnvCreateInfo", EnvId=env_id)
    assert await cloud.error("ModifyComputeEnv", EnvId=env_id, **settings) == code
    assert await cloud.call("DescribeComputeEnvCreateInfo", EnvId=env_id) == before


async def test_create_info_gives_back_what_was_sent_with_the_notifications(cloud):
    first, second = await create(cloud), await create(cloud, EnvName="other", Tags=[{"Key": "k", "Value": "v"}])
    shown = await cloud.call("DescribeComputeEnvCreateInfo", EnvId=first)
    assert shown["Notifications"][0]["TopicName"] == "t"
    assert shown["EnvData"] == described()["EnvData"]
    listed = await cloud.call("DescribeComputeEnvCreateInfos", Filters=[{"Name": "tag:k", "Values": ["v"]}])
    assert [one["EnvId"] for one in listed["ComputeEnvCreateInfoSet"]] == [second]
    listed = await cloud.call("DescribeComputeEnvs", EnvIds=[first, second, UNKNOWN])
    assert [one["EnvId"] for one in listed["ComputeEnvSet"]] == [second, first]


async def test_the_console_sees_environments_with_nodes_and_events(cloud):
    env_id = await create(cloud)
    cloud.clock.advance(1)
    [row] = cloud.service.env_rows()
    assert (row["EnvId"], len(row["ComputeNodeSet"]), len(row["Events"])) == (env_id, 1, 3)
