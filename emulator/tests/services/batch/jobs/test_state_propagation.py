# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from helpers.batch_cloud import Cloud, job, task


async def test_a_task_waits_in_pending_for_the_one_before_it(cloud: Cloud) -> None:
    job_id = await cloud.submit(
        job(
            task("scripted: duration=5", "first"),
            task(name="second"),
            Dependences=[{"StartTask": "first", "EndTask": "second"}],
        )
    )
    cloud.clock.advance(3)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert [(one["TaskName"], one["TaskState"]) for one in shown["TaskSet"]] == [
        ("first", "RUNNING"),
        ("second", "PENDING"),
    ]
    assert shown["TaskMetrics"]["PendingCount"] == 1
    cloud.clock.advance(10)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert shown["JobState"] == "SUCCEED"
    assert shown["EndTime"] is not None


@pytest.mark.parametrize(
    ("rule", "command", "second", "whole"),
    [
        ("PRE_TASK_SUCCEED", "scripted: outcome=failed", "FAILED", "FAILED"),
        ("PRE_TASK_AT_LEAST_PARTLY_SUCCEED", "scripted: outcome=failed", "FAILED", "FAILED"),
        ("PRE_TASK_FINISHED", "scripted: outcome=failed", "SUCCEED", "FAILED"),
        ("PRE_TASK_SUCCEED", "scripted: outcome=succeed", "SUCCEED", "SUCCEED"),
    ],
)
async def test_the_rule_of_dependences_decides_about_the_successor(
    cloud: Cloud, rule: str, command: str, second: str, whole: str
) -> None:
    job_id = await cloud.submit(
        job(
            task(command, "first"),
            task(name="second"),
            task(name="third"),
            Dependences=[{"StartTask": "first", "EndTask": "second"}, {"StartTask": "second", "EndTask": "third"}],
            TaskExecutionDependOn=rule,
        )
    )
    cloud.clock.advance(10)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert [one["TaskState"] for one in shown["TaskSet"][1:]] == [second, second]
    assert shown["JobState"] == whole
    if second == "FAILED":
        assert (await cloud.instance(job_id, "third"))["StateReason"] == "dependence not met"
        assert "first" in shown["StateReason"]
