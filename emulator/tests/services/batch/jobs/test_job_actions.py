# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from helpers.batch_cloud import JOB_EVENTS, Cloud, job, task


async def test_termination_is_refused_while_submitted(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=hang", TaskInstanceNum=2), events=JOB_EVENTS))
    assert await cloud.error("TerminateJob", JobId=job_id) == "UnsupportedOperation"
    cloud.clock.advance(3)
    await cloud.call("TerminateJob", JobId=job_id)
    await cloud.call("TerminateJob", JobId=job_id)
    assert await cloud.state(job_id) == "RUNNING"
    cloud.clock.advance(1)
    assert await cloud.state(job_id) == "FAILED"
    assert (await cloud.instance(job_id))["StateReason"] == "terminated by user"
    assert await cloud.event_names() == ["JOB_RUNNING", "JOB_FAILED"]


async def test_termination_beats_retries_and_interruption(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=hang", MaxRetryCount=5, FailedAction="INTERRUPT")))
    cloud.clock.advance(3)
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"


async def test_termination_of_a_finished_job_changes_nothing(cloud: Cloud) -> None:
    job_id = await cloud.submit(job())
    cloud.clock.advance(5)
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


@pytest.mark.parametrize("elapsed", [0.0, 0.15, 0.25, 3.0])
async def test_one_instance_can_be_terminated_in_any_state(cloud: Cloud, elapsed: float) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=hang"), task("scripted: duration=5", "other")))
    cloud.clock.advance(elapsed)
    await cloud.call("TerminateTaskInstance", JobId=job_id, TaskName="main", TaskInstanceIndex=0)
    cloud.clock.advance(10)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert [one["TaskState"] for one in shown["TaskSet"]] == ["FAILED", "SUCCEED"]


async def test_retry_runs_only_what_has_failed(cloud: Cloud) -> None:
    job_id = await cloud.submit(
        job(
            task("scripted: duration=5", "good"),
            task("scripted: duration=5 fail_first=1", "bad"),
            task(name="after"),
            Dependences=[{"StartTask": "bad", "EndTask": "after"}],
            events=JOB_EVENTS,
        )
    )
    cloud.clock.advance(10)
    before = await cloud.instance(job_id, "good")
    assert await cloud.state(job_id) == "FAILED"
    await cloud.call("RetryJobs", JobIds=[job_id])
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert (shown["JobState"], shown["EndTime"], shown["StateReason"]) == ("SUBMITTED", None, "")
    bad = await cloud.instance(job_id, "bad")
    assert (bad["ExitCode"], bad["EndTime"], bad["StateReason"]) == (None, None, "")
    cloud.clock.advance(20)
    assert await cloud.state(job_id) == "SUCCEED"
    assert await cloud.instance(job_id, "good") == before
    assert await cloud.event_names() == ["JOB_RUNNING", "JOB_FAILED", "JOB_RUNNING", "JOB_SUCCEED"]


async def test_retry_of_several_jobs_is_all_or_nothing(cloud: Cloud) -> None:
    failed = await cloud.submit(job(task("scripted: outcome=failed")))
    fine = await cloud.submit(job())
    cloud.clock.advance(5)
    assert await cloud.error("RetryJobs", JobIds=[failed, fine]) == "UnsupportedOperation"
    assert await cloud.error("RetryJobs", JobIds=[failed, "job-00000000"]) == "ResourceNotFound.Job"
    assert await cloud.state(failed) == "FAILED"


async def test_a_deleted_job_is_gone_for_every_action(cloud: Cloud) -> None:
    job_id = await cloud.submit(job())
    assert await cloud.error("DeleteJob", JobId=job_id) == "ResourceInUse.Job"
    cloud.clock.advance(5)
    await cloud.call("DeleteJob", JobId=job_id)
    for action in ("DescribeJob", "DescribeJobSubmitInfo", "TerminateJob", "DeleteJob"):
        assert await cloud.error(action, JobId=job_id) == "ResourceNotFound.Job"
    assert await cloud.error("DescribeTask", JobId=job_id, TaskName="main") == "ResourceNotFound.Task"
    assert (await cloud.call("DescribeJobs", JobIds=[job_id]))["TotalCount"] == 0
