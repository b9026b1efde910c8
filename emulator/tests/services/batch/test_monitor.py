# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from helpers.batch_cloud import START, Cloud, job, task


async def test_monitor_data_has_gaps_before_the_instance_ran(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=300")))
    cloud.clock.advance(1000)
    request = {"JobId": job_id, "TaskName": "main", "TaskInstanceIndex": 0, "MetricName": "CpuUsage"}
    answer = await cloud.call("DescribeJobMonitorData", **request, StartTime="2000-01-01T00:00:00Z")
    points = answer["DataPoints"]
    assert len(points["Timestamps"]) == len(points["Values"]) > 20
    assert points["Timestamps"][0] >= START
    assert points["Timestamps"][-1] <= START + 302
    assert points["Values"][0] is None
    assert 0 < points["Values"][-1] < 100
    assert await cloud.error("DescribeJobMonitorData", **{**request, "MetricName": "Mood"}) == "InvalidParameterValue"
    assert await cloud.error("DescribeJobMonitorData", **request, EndTime="soon") == "InvalidParameterValue"
