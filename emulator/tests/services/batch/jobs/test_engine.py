# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.batch_cloud import INSTANCE_EVENTS, JOB_EVENTS, NODE_EVENTS, TASK_EVENTS, Cloud, job, task

from tencent_batch_emulator.services.batch.settings import Delays


async def test_a_job_passes_through_every_state_on_its_way(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=5")))
    seen = [await cloud.state(job_id)]
    for _ in range(60):
        cloud.clock.advance(0.1)
        state = await cloud.state(job_id)
        if state != seen[-1]:
            seen.append(state)
    assert seen == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEED"]


async def test_a_failed_instance_runs_until_its_retries_are_used(cloud: Cloud) -> None:
    job_id = await cloud.submit(
        job(task("scripted: outcome=failed exit_code=7", MaxRetryCount=2), events=INSTANCE_EVENTS)
    )
    cloud.clock.advance(10)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["ExitCode"]) == ("FAILED", 7)
    assert "exit code 7" in instance["StateDetailedReason"]
    assert await cloud.event_names() == ["TASK_INSTANCE_RUNNING"] * 3 + ["TASK_INSTANCE_FAILED"]


async def test_a_retry_gets_another_server_and_may_succeed(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: duration=5 fail_first=1", MaxRetryCount=1)))
    cloud.clock.advance(3)
    first = await cloud.instance(job_id)
    cloud.clock.advance(6)
    second = await cloud.instance(job_id)
    assert first["TaskInstanceState"] == second["TaskInstanceState"] == "RUNNING"
    assert first["ComputeNodeInstanceId"] != second["ComputeNodeInstanceId"]
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_command_over_its_timeout_fails_with_that_reason(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task("scripted: outcome=hang", Timeout=60)))
    cloud.clock.advance(59)
    assert await cloud.state(job_id) == "RUNNING"
    cloud.clock.advance(3)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["StateReason"]) == ("FAILED", "timeout")
    assert "60 seconds" in (await cloud.call("DescribeJob", JobId=job_id))["StateReason"]


@pytest.mark.parametrize(("action", "runs"), [("INTERRUPT", 3), ("FAST_INTERRUPT", 1)])
async def test_an_interrupted_job_keeps_its_server(cloud: Cloud, action: str, runs: int) -> None:
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


async def test_a_failed_creation_fails_the_instance(cloud: Cloud) -> None:
    env = {"EnvData": {"InstanceType": "NOCAPACITY", "ImageId": "img-eb30mz89"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env), events=[*JOB_EVENTS, *NODE_EVENTS]))
    cloud.clock.advance(5)
    instance = await cloud.instance(job_id)
    assert (instance["TaskInstanceState"], instance["StateReason"]) == ("FAILED", "CVM creation failed")
    assert instance["ExitCode"] is None
    assert await cloud.event_names() == ["COMPUTE_NODE_CREATION_FAILED", "JOB_FAILED"]


async def test_without_capacity_the_next_instance_type_is_taken(cloud: Cloud) -> None:
    env = {"EnvData": {"InstanceTypes": ["NOCAPACITY", "S5.LARGE8"], "ImageId": "img-eb30mz89"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env)))
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "SUCCEED"


async def test_a_job_may_wait_for_capacity_instead_of_failing(cloud: Cloud) -> None:
    env = {"EnvData": {"InstanceType": "S5.MEDIUM4", "ImageId": "img-badimage"}}
    job_id = await cloud.submit(job(task(ComputeEnv=env), StateIfCreateCvmFailed="RUNNABLE"))
    cloud.clock.advance(2000)
    instance = await cloud.instance(job_id)
    assert instance["TaskInstanceState"] == "RUNNABLE"
    assert "img-badimage" in instance["StateDetailedReason"]


async def test_resource_retries_pause_as_documented(cloud: Cloud) -> None:
    env = {"EnvData": {"InstanceType": "NOCAPACITY"}}
    described = job(task(ComputeEnv=env, ResourceMaxRetryCount=8), events=[*JOB_EVENTS, *NODE_EVENTS])
    job_id = await cloud.submit(described)
    cloud.clock.advance(6299)
    assert await cloud.state(job_id) == "RUNNABLE"
    cloud.clock.advance(5)
    assert await cloud.state(job_id) == "FAILED"
    assert (await cloud.event_names()).count("COMPUTE_NODE_CREATION_FAILED") == 9


async def test_a_lost_server_costs_an_execution(cloud: Cloud) -> None:
    env = {"EnvData": {"InstanceType": "NODELOST"}}
    job_id = await cloud.submit(job(task("scripted: duration=60", ComputeEnv=env), events=NODE_EVENTS))
    cloud.clock.advance(10)
    assert (await cloud.instance(job_id))["StateReason"] == "heartbeat lost"
    assert await cloud.event_names() == [
        f"COMPUTE_NODE_{name}" for name in ("CREATED", "RUNNING", "ABNORMAL", "DELETING")
    ]


async def test_without_delays_a_job_still_passes_through_running(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(delays=Delays.none())
    job_id = await cloud.submit(job(events=[*JOB_EVENTS, *TASK_EVENTS, *INSTANCE_EVENTS]))
    cloud.clock.advance(0)
    assert await cloud.state(job_id) == "SUCCEED"
    assert await cloud.event_names() == [
        f"{level}_{state}" for state in ("RUNNING", "SUCCEED") for level in ("TASK_INSTANCE", "TASK", "JOB")
    ]
