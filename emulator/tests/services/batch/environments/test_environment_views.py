# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from helpers.batch_cloud import Cloud
from helpers.batch_environments import create, described

UNKNOWN = "env-00000000"


async def test_create_info_gives_back_what_was_sent(cloud: Cloud) -> None:
    first, second = await create(cloud), await create(cloud, EnvName="other", Tags=[{"Key": "k", "Value": "v"}])
    shown = await cloud.call("DescribeComputeEnvCreateInfo", EnvId=first)
    assert shown["Notifications"][0]["TopicName"] == "t"
    assert shown["EnvData"] == described()["EnvData"]
    listed = await cloud.call("DescribeComputeEnvCreateInfos", Filters=[{"Name": "tag:k", "Values": ["v"]}])
    assert [one["EnvId"] for one in listed["ComputeEnvCreateInfoSet"]] == [second]
    listed = await cloud.call("DescribeComputeEnvs", EnvIds=[first, second, UNKNOWN])
    assert [one["EnvId"] for one in listed["ComputeEnvSet"]] == [second, first]


async def test_the_console_sees_environments_with_nodes_and_events(cloud: Cloud) -> None:
    env_id = await create(cloud)
    cloud.clock.advance(1)
    [row] = cloud.service.env_rows()
    assert (row["EnvId"], len(row["ComputeNodeSet"]), len(row["Events"])) == (env_id, 1, 3)
