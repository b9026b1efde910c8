# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from helpers.batch_cloud import INSTANCE_EVENTS, JOB_EVENTS, NODE_EVENTS, TASK_EVENTS, job, task

from tencent_batch_emulator.services.batch.settings import Delays


async def test_a_job_passes_through_every_state_on_its_way(cloud):
    job_id = await cloud.submit(job(task("scripted: duration=5")))
    seen = [await cloud.state(job_id)]
    for _ in range(60):
        cloud.clock.advance(0.1)
        state = await cloud.state(job_id)
        if state != seen[-1]:
            seen.append(state)
    assert seen == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEED"]


async def test_a_task_waits_in_pending_for_the_one_before_it(cloud):
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
async def test_the_rule_of_dependences_decides_about_the_successor(cloud, rule, command, second, whole):
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


async def test_max_concurrent_num_bounds_what_runs_at_once(cloud):
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=5, MaxConcurrentNum=2)))
    for expected in (2, 2, 1):
        cloud.clock.advance(5)
        shown = await cloud.call("DescribeTask", JobId=job_id, TaskName="main")
        assert shown["TaskInstanceMetrics"]["RunningCount"] == expected
        cloud.clock.advance(5.5)
    cloud.clock.advance(10)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_terminated_instance_does_not_block_those_that_wait_behind_it(cloud):
    job_id = await cloud.submit(job(task("scripted: duration=10", TaskInstanceNum=3, MaxConcurrentNum=1)))
    cloud.clock.advance(1)
    await cloud.call("TerminateTaskInstance", JobId=job_id, TaskName="main", TaskInstanceIndex=1)
    cloud.clock.advance(30)
    shown = await cloud.call("DescribeTask", JobId=job_id, TaskName="main")
    assert [one["TaskInstanceState"] for one in shown["TaskInstanceSet"]] == ["SUCCEED", "FAILED", "SUCCEED"]


async def test_the_higher_priority_goes_first_when_places_are_short(make_cloud):
    cloud = make_cloud(max_parallel=1)
    await cloud.submit(job(task("scripted: duration=10")))
    cloud.clock.advance(1)
    low = await cloud.submit(job(task("scripted: duration=10"), Priority=1))
    high = await cloud.submit(job(task("scripted: duration=10"), Priority="50"))
    cloud.clock.advance(12)
    assert (await cloud.state(high), await cloud.state(low)) == ("RUNNING", "RUNNABLE")


async def test_a_failed_instance_runs_again_until_its_retries_are_used_up(cloud):
    job_id = await cloud.submit(
        job(task("scripted: outcome=failed exit_code=7", MaxRetryCount=2), events=INSTANCE_EVENTS)
    )
    cloud.clock.advance(10)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["ExitCode"]) == ("FAILED", 7)
    assert "exit code 7" in instance["StateDetailedReason"]
    assert await cloud.event_names() == ["TASK_INSTANCE_RUNNING"] * 3 + ["TASK_INSTANCE_FAILED"]


async def test_a_retry_gets_another_server_and_may_succeed(cloud):
    job_id = await cloud.submit(job(task("scripted: duration=5 fail_first=1", MaxRetryCount=1)))
    cloud.clock.advance(3)
    first = await cloud.instance(job_id)
    cloud.clock.advance(6)
    second = await cloud.instance(job_id)
    assert first["TaskInstanceState"] == second["TaskInstanceState"] == "RUNNING"
    assert first["ComputeNodeInstanceId"] != second["ComputeNodeInstanceId"]
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_command_over_its_timeout_fails_with_that_reason(cloud):
    job_id = await cloud.submit(job(task("scripted: outcome=hang", Timeout=60)))
    cloud.clock.advance(59)
    assert await cloud.state(job_id) == "RUNNING"
    cloud.clock.advance(3)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["StateReason"]) == ("FAILED", "timeout")
    assert "60 seconds" in (await cloud.call("DescribeJob", JobId=job_id))["StateReason"]


@pytest.mark.parametrize(("action", "runs"), [("INTERRUPT", 3), ("FAST_INTERRUPT", 1)])
async def test_an_interrupted_job_keeps_its_server_until_it_is_terminated(cloud, action, runs):
    described = task("scripted: outcome=failed exit_code=3", FailedAction=action, MaxRetryCount=2)
    job_id = await cloud.submit(job(described, events=[*JOB_EVENTS, *NODE_EVENTS]))
    cloud.clock.advance(10)
    assert await cloud.state(job_id) == "FAILED_INTERRUPTED"
    names = await cloud.event_names()
    assert names.count("COMPUTE_NODE_RUNNING") == runs
    assert names.count("COMPUTE_NODE_DELETING") == runs - 1
    assert await cloud.error("DeleteJob", JobId=job_id) == "ResourceInUse.Job"
    assert await cloud.error("RetryJobs", JobIds=[job_id]) == "UnsupportedOperation"
    await cloud.call("TerminateJob", JobId=job_id)
    assert (await cloud.call("DescribeJob", JobId=job_id))["NextAction"] == "TERMINATING"
    cloud.clock.advance(1)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert (shown["JobState"], shown["NextAction"]) == ("FAILED", "")
    assert (await cloud.event_names())[len(names) :] == ["COMPUTE_NODE_DELETING", "JOB_FAILED"]


async def test_a_server_that_cannot_be_created_fails_the_instance_by_default(cloud):
    env = {"EnvData": {"InstanceType": "NOCAPACITY", "ImageId": "img-eb30mz89"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env), events=[*JOB_EVENTS, *NODE_EVENTS]))
    cloud.clock.advance(5)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["StateReason"]) == ("FAILED", "CVM creation failed")
    assert instance["ExitCode"] is None
    assert await cloud.event_names() == ["COMPUTE_NODE_CREATION_FAILED", "JOB_FAILED"]


async def test_the_next_instance_type_is_taken_when_the_first_has_no_capacity(cloud):
    env = {"EnvData": {"InstanceTypes": ["NOCAPACITY", "S5.LARGE8"], "ImageId": "img-eb30mz89"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env)))
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_job_may_wait_for_capacity_instead_of_failing(cloud):
    env = {"EnvData": {"InstanceType": "S5.MEDIUM4", "ImageId": "img-badimage"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env), StateIfCreateCvmFailed="RUNNABLE"))
    cloud.clock.advance(2000)
    instance = await cloud.instance(job_id)
    assert instance["TaskInstanceState"] == "RUNNABLE"
    assert "img-badimage" in instance["StateDetailedReason"]


async def test_resource_retries_pause_as_documented(cloud):
    env = {"EnvData": {"InstanceType": "NOCAPACITY"}}
    described = job(task(ComputeEnv=env, ResourceMaxRetryCount=8), events=[*JOB_EVENTS, *NODE_EVENTS])
    job_id = await cloud.submit(described)
    cloud.clock.advance(6299)
    assert await cloud.state(job_id) == "RUNNABLE"
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"
    assert (await cloud.event_names()).count("COMPUTE_NODE_CREATION_FAILED") == 9


async def test_a_lost_server_costs_an_execution(cloud):
    env = {"EnvData": {"InstanceType": "NODELOST"}}
    job_id = await cloud.submit(job(task("scripted: duration=60", ComputeEnv=env), events=NODE_EVENTS))
    cloud.clock.advance(10)
    assert (await cloud.instance(job_id))["StateReason"] == "heartbeat lost"
    assert await cloud.event_names() == [
        f"COMPUTE_NODE_{name}" for name in ("CREATED", "RUNNING", "ABNORMAL", "DELETING")
    ]


async def test_termination_is_refused_while_submitted_and_takes_its_time_later(cloud):
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


async def test_termination_beats_retries_and_interruption(cloud):
    job_id = await cloud.submit(job(task("scripted: outcome=hang", MaxRetryCount=5, FailedAction="INTERRUPT")))
    cloud.clock.advance(3)
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"


async def test_termination_of_a_finished_job_changes_nothing(cloud):
    job_id = await cloud.submit(job())
    cloud.clock.advance(5)
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


@pytest.mark.parametrize("elapsed", [0.0, 0.15, 0.25, 3.0])
async def test_one_instance_can_be_terminated_in_any_state(cloud, elapsed):
    job_id = await cloud.submit(job(task("scripted: outcome=hang"), task("scripted: duration=5", "other")))
    cloud.clock.advance(elapsed)
    await cloud.call("TerminateTaskInstance", JobId=job_id, TaskName="main", TaskInstanceIndex=0)
    cloud.clock.advance(10)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    assert [one["TaskState"] for one in shown["TaskSet"]] == ["FAILED", "SUCCEED"]


async def test_retry_runs_only_what_has_failed_and_in_the_order_of_dependences(cloud):
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


async def test_retry_of_several_jobs_is_all_or_nothing(cloud):
    failed = await cloud.submit(job(task("scripted: outcome=failed")))
    fine = await cloud.submit(job())
    cloud.clock.advance(5)
    assert await cloud.error("RetryJobs", JobIds=[failed, fine]) == "UnsupportedOperation"
    assert await cloud.error("RetryJobs", JobIds=[failed, "job-00000000"]) == "ResourceNotFound.Job"
    assert await cloud.state(failed) == "FAILED"


async def test_a_deleted_job_is_gone_for_every_action(cloud):
    job_id = await cloud.submit(job())
    assert await cloud.error("DeleteJob", JobId=job_id) == "ResourceInUse.Job"
    cloud.clock.advance(5)
    await cloud.call("DeleteJob", JobId=job_id)
    for action in ("DescribeJob", "DescribeJobSubmitInfo", "TerminateJob", "DeleteJob"):
        assert await cloud.error(action, JobId=job_id) == "ResourceNotFound.Job"
    assert await cloud.error("DescribeTask", JobId=job_id, TaskName="main") == "ResourceNotFound.Task"
    assert (await cloud.call("DescribeJobs", JobIds=[job_id]))["TotalCount"] == 0


async def test_a_token_gets_the_same_job_even_after_its_end(cloud):
    request = {"Placement": {"Zone": "ap-guangzhou-6"}, "Job": job(), "ClientToken": "once"}
    first = await cloud.call("SubmitJob", **request)
    cloud.clock.advance(5)
    assert await cloud.call("SubmitJob", **request) == first
    assert await cloud.call("SubmitJob", **{**request, "ClientToken": "twice"}) != first
    assert (await cloud.call("DescribeJobs"))["TotalCount"] == 2


async def test_without_delays_a_job_still_passes_through_running(make_cloud):
    cloud = make_cloud(delays=Delays.none())
    job_id = await cloud.submit(job(events=[*JOB_EVENTS, *TASK_EVENTS, *INSTANCE_EVENTS]))
    cloud.clock.advance(0)
    assert await cloud.state(job_id) == "SUCCEED"
    assert await cloud.event_names() == [
        f"{level}_{state}" for state in ("RUNNING", "SUCCEED") for level in ("TASK_INSTANCE", "TASK", "JOB")
    ]
