# SPDX-License-Identifier: Apache-2.0
"""The vendor's Batch SDK, sync and async, unmodified, against the emulator's port: every action, errors included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from helpers.action_trials import settings, try_action
from helpers.batch_cloud import JOB_EVENTS, job, task
from helpers.vendor_actions import BATCH, PLACEMENT
from helpers.vendor_sdk import KINDS, Sdk, actions_of

from tencent_batch_emulator.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(**settings()) as running:
        yield running


@pytest.fixture(params=KINDS)
async def vendor(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[Sdk]:
    async with Sdk("batch", request.param, emulator) as sdk:
        yield sdk


@pytest.mark.parametrize("kind", KINDS)
def test_the_sdk_has_no_action_that_is_not_tried_here(kind: str) -> None:
    assert actions_of("batch", kind) == set(BATCH)


@pytest.mark.parametrize("action", BATCH)
async def test_every_action_is_refused_throttled_and_done(vendor: Sdk, emulator: Emulator, action: str) -> None:
    await try_action(vendor, emulator, "batch", action)


async def test_the_life_of_a_job(vendor: Sdk) -> None:
    described = job(task("scripted: outcome=failed exit_code=3 stderr=oops fail_first=1"), events=JOB_EVENTS)
    submitted = await vendor.call("SubmitJob", Placement=PLACEMENT, Job=described, ClientToken="t")
    again = await vendor.call("SubmitJob", Placement=PLACEMENT, Job=described, ClientToken="t")
    assert submitted.JobId == again.JobId
    named = {"JobId": submitted.JobId, "TaskName": "main"}
    shown = await vendor.until("DescribeJob", lambda answer: answer.JobState == "FAILED", JobId=submitted.JobId)
    assert (shown.TaskSet[0].TaskName, shown.TaskInstanceMetrics.FailedCount, shown.NextAction) == ("main", 1, "")
    listed = await vendor.call("DescribeJobs", JobIds=[submitted.JobId, "job-00000000"])
    assert [one.JobId for one in listed.JobSet] == [submitted.JobId]
    shown = await vendor.call("DescribeTask", **named)
    assert (shown.TaskInstanceSet[0].ExitCode, shown.TaskInstanceSet[0].StateReason) == (3, "command failed")
    logs = await vendor.call("DescribeTaskLogs", **named, TaskInstanceIndexes=[0])
    assert logs.TaskInstanceLogSet[0].StderrLog.endswith("b29wcw==")
    info = await vendor.call("DescribeJobSubmitInfo", JobId=submitted.JobId)
    assert info.Tasks[0].Application.Command.startswith("scripted:")
    data = await vendor.call("DescribeJobMonitorData", **named, TaskInstanceIndex=0, MetricName="MemUsage")
    assert len(data.DataPoints.Timestamps) == len(data.DataPoints.Values)
    await vendor.call("RetryJobs", JobIds=[submitted.JobId])
    await vendor.until("DescribeJob", lambda answer: answer.JobState == "FAILED", JobId=submitted.JobId)
    await vendor.call("DeleteJob", JobId=submitted.JobId)
    assert await vendor.error("DescribeJob", JobId=submitted.JobId) == "ResourceNotFound.Job"


async def test_termination(vendor: Sdk) -> None:
    described = job(task("scripted: outcome=hang", TaskInstanceNum=2))
    job_id = (await vendor.call("SubmitJob", Placement=PLACEMENT, Job=described)).JobId
    await vendor.until("DescribeJob", lambda answer: answer.TaskInstanceMetrics.RunningCount == 2, JobId=job_id)
    await vendor.call("TerminateTaskInstance", JobId=job_id, TaskName="main", TaskInstanceIndex=1)
    await vendor.until("DescribeJob", lambda answer: answer.TaskInstanceMetrics.FailedCount == 1, JobId=job_id)
    assert await vendor.error("DeleteJob", JobId=job_id) == "ResourceInUse.Job"
    await vendor.call("TerminateJob", JobId=job_id)
    shown = await vendor.until("DescribeJob", lambda answer: answer.JobState == "FAILED", JobId=job_id)
    assert "terminated" in shown.StateReason


async def test_the_life_of_an_environment(vendor: Sdk) -> None:
    described = {
        "EnvName": "env",
        "DesiredComputeNodeCount": 2,
        "EnvData": {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    env_id = (await vendor.call("CreateComputeEnv", Placement=PLACEMENT, ComputeEnv=described)).EnvId

    def has(count: int) -> Callable[[Any], bool]:
        return lambda answer: bool(answer.ComputeNodeMetrics.RunningCount == len(answer.ComputeNodeSet) == count)

    shown = await vendor.until("DescribeComputeEnv", has(2), EnvId=env_id)
    assert shown.ComputeNodeSet[0].Cpu == 4
    assert (await vendor.call("DescribeComputeEnvs", EnvIds=[env_id])).ComputeEnvSet[0].Tags[0].Key == "k"
    assert (await vendor.call("DescribeComputeEnvCreateInfo", EnvId=env_id)).EnvData.InstanceType == "S5.LARGE8"
    assert (await vendor.call("DescribeComputeEnvCreateInfos", EnvIds=[env_id])).TotalCount == 1
    first, second = (node.ComputeNodeId for node in shown.ComputeNodeSet)
    await vendor.call("TerminateComputeNode", EnvId=env_id, ComputeNodeId=first)
    await vendor.until("DescribeComputeEnv", has(1), EnvId=env_id)
    await vendor.call("TerminateComputeNodes", EnvId=env_id, ComputeNodeIds=[second])
    await vendor.until("DescribeComputeEnv", has(0), EnvId=env_id)
    one_node = {"Name": "compute-node-id", "Values": [first]}
    activities = await vendor.call("DescribeComputeEnvActivities", EnvId=env_id, Filters=one_node)
    assert {one.ActivityState for one in activities.ActivitySet} == {"SUCCEED"}
    await vendor.call("AttachInstances", EnvId=env_id, Instances=[{"InstanceId": "ins-12345678"}])
    await vendor.until("DescribeComputeEnv", has(1), EnvId=env_id)
    assert await vendor.error("DeleteComputeEnv", EnvId=env_id) == "UnsupportedOperation.ComputeEnvOperation"
    await vendor.call("DetachInstances", EnvId=env_id, InstanceIds=["ins-12345678"])
    await vendor.call("ModifyComputeEnv", EnvId=env_id, EnvDescription="nearly gone")
    await vendor.until("DescribeComputeEnv", has(0), EnvId=env_id)
    await vendor.call("DeleteComputeEnv", EnvId=env_id)
    await vendor.until("DescribeComputeEnvs", lambda answer: answer.TotalCount == 0)
    assert await vendor.error("DescribeComputeEnv", EnvId=env_id) == "ResourceNotFound.ComputeEnv"


async def test_templates_and_the_catalog(vendor: Sdk) -> None:
    template_id = (
        await vendor.call("CreateTaskTemplate", TaskTemplateName="name", TaskTemplateInfo=task())
    ).TaskTemplateId
    await vendor.call("ModifyTaskTemplate", TaskTemplateId=template_id, TaskTemplateName="other")
    listed = await vendor.call("DescribeTaskTemplates", TaskTemplateIds=[template_id])
    assert listed.TaskTemplateSet[0].TaskTemplateName == "other"
    await vendor.call("DeleteTaskTemplates", TaskTemplateIds=[template_id])
    gone = await vendor.error("DeleteTaskTemplates", TaskTemplateIds=[template_id])
    assert gone == "ResourceNotFound.TaskTemplate"
    assert (await vendor.call("DescribeInstanceCategories")).InstanceCategorySet[0].InstanceFamilySet
    assert (await vendor.call("DescribeAvailableCvmInstanceTypes")).InstanceTypeConfigSet[0].Cpu
    sold = await vendor.call("DescribeCvmZoneInstanceConfigInfos")
    assert sold.InstanceTypeQuotaSet[0].Status == "SELL"


@pytest.mark.parametrize(
    ("action", "code", "params"),
    [
        ("SubmitJob", "InvalidParameter.TaskName", {"Placement": PLACEMENT, "Job": job(task(name="a b"))}),
        ("SubmitJob", "MissingParameter", {"Job": job()}),
        ("DescribeJobs", "InvalidParameter.JobIdMalformed", {"JobIds": ["job-1"]}),
        ("TerminateJob", "ResourceNotFound.Job", {"JobId": "job-00000000"}),
        ("DescribeTask", "ResourceNotFound.Task", {"JobId": "job-00000000", "TaskName": "main"}),
        ("CreateComputeEnv", "MissingParameter", {"Placement": PLACEMENT}),
    ],
)
async def test_refusals_arrive_as_the_vendors_exception(
    vendor: Sdk, action: str, code: str, params: dict[str, Any]
) -> None:
    assert await vendor.error(action, **params) == code
