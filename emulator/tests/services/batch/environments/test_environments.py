# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from helpers.batch_cloud import Cloud, job, task
from helpers.batch_environments import create, nodes_of


async def test_nodes_pass_through_their_states_and_say_so(cloud: Cloud) -> None:
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


async def test_each_instance_takes_a_node_and_gives_it_back(cloud: Cloud) -> None:
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


async def test_a_job_without_a_node_waits_and_blocks_no_other(cloud: Cloud) -> None:
    env_id = await create(cloud, nodes=0)
    waiting = await cloud.submit(job(task(EnvId=env_id), Priority=100))
    other = await cloud.submit(job(task()))
    cloud.clock.advance(5)
    assert (await cloud.state(waiting), await cloud.state(other)) == ("RUNNABLE", "SUCCEED")
    await cloud.call("ModifyComputeEnv", EnvId=env_id, DesiredComputeNodeCount=1)
    cloud.clock.advance(5)
    assert await cloud.state(waiting) == "SUCCEED"


async def test_an_interrupted_instance_keeps_its_node(cloud: Cloud) -> None:
    env_id = await create(cloud)
    job_id = await cloud.submit(job(task("scripted: outcome=failed", EnvId=env_id, FailedAction="INTERRUPT")))
    cloud.clock.advance(5)
    assert (await nodes_of(cloud, env_id))[0]["TaskInstanceNumAvailable"] == 0
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"
    assert (await nodes_of(cloud, env_id))[0]["TaskInstanceNumAvailable"] == 1


async def test_a_destroyed_node_costs_its_instance_an_execution(cloud: Cloud) -> None:
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


async def test_a_failed_creation_is_repeated_after_its_pause(cloud: Cloud) -> None:
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


async def test_an_abnormal_node_is_replaced(cloud: Cloud) -> None:
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


async def test_growing_and_shrinking_leave_activities(cloud: Cloud) -> None:
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
