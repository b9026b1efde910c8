# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

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


async def test_environments_are_found_by_their_tags_and_show_them(cloud: Cloud) -> None:
    tags = [{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": "1"}]
    both, red = await create(cloud, Tags=tags), await create(cloud, Tags=tags[:1])
    await create(cloud)

    async def found(**filters: str) -> dict[str, Any]:
        wanted = [{"Name": f"tag:{key}", "Values": [value]} for key, value in filters.items()]
        listed = await cloud.call("DescribeComputeEnvs", Filters=wanted)
        assert listed["TotalCount"] == len(listed["ComputeEnvSet"])
        return {one["EnvId"]: one["Tags"] for one in listed["ComputeEnvSet"]}

    assert await found(team="red") == {both: tags, red: tags[:1]}
    assert await found(team="red", cost="1") == {both: tags}
    assert await found(team="red", cost="2") == {}
    by_key = await cloud.call("DescribeComputeEnvs", Filters=[{"Name": "tag-key", "Values": ["cost"]}])
    assert [one["EnvId"] for one in by_key["ComputeEnvSet"]] == [both]


async def test_the_console_sees_environments_with_nodes_and_events(cloud: Cloud) -> None:
    env_id = await create(cloud)
    cloud.clock.advance(1)
    [row] = cloud.service.env_rows()
    assert (row["EnvId"], len(row["ComputeNodeSet"]), len(row["Events"])) == (env_id, 1, 3)
