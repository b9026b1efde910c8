# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from helpers.batch_cloud import Cloud, job


async def test_a_token_gets_the_same_job_even_after_its_end(cloud: Cloud) -> None:
    request = {"Placement": {"Zone": "ap-guangzhou-6"}, "Job": job(), "ClientToken": "once"}
    first = await cloud.call("SubmitJob", **request)
    cloud.clock.advance(5)
    assert await cloud.call("SubmitJob", **request) == first
    assert await cloud.call("SubmitJob", **{**request, "ClientToken": "twice"}) != first
    assert (await cloud.call("DescribeJobs"))["TotalCount"] == 2
