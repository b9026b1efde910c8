# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

from helpers.batch_cloud import Cloud, job, task


async def test_max_concurrent_num_bounds_what_runs_at_once(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=5, MaxConcurrentNum=2)))
    for expected in (2, 2, 1):
        cloud.clock.advance(5)
        shown = await cloud.call("DescribeTask", JobId=job_id, TaskName="main")
        assert shown["TaskInstanceMetrics"]["RunningCount"] == expected
        cloud.clock.advance(5.5)
    cloud.clock.advance(10)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_terminated_instance_blocks_none_behind_it(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=3, MaxConcurrentNum=1)))
    cloud.clock.advance(1)
    await cloud.call("TerminateTaskInstance", JobId=job_id, TaskName="main", TaskInstanceIndex=1)
    cloud.clock.advance(30)
    shown = await cloud.call("DescribeTask", JobId=job_id, TaskName="main")
    assert [one["TaskInstanceState"] for one in shown["TaskInstanceSet"]] == ["SUCCEED", "FAILED", "SUCCEED"]


async def test_the_higher_priority_goes_first_when_places_are_short(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(max_parallel=1)
    await cloud.submit(job(task("scripted: duration=10")))
    cloud.clock.advance(1)
    low = await cloud.submit(job(task("scripted: duration=10"), Priority=1))
    high = await cloud.submit(job(task("scripted: duration=10"), Priority="50"))
    cloud.clock.advance(12)
    assert (await cloud.state(high), await cloud.state(low)) == ("RUNNING", "RUNNABLE")
