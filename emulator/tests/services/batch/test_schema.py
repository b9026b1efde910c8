# SPDX-License-Identifier: Apache-2.0
"""The emulator knows every field that the vendor's SDK can send, so that no documented request is refused for one."""

from __future__ import annotations

import msgspec
import pytest
from tencentcloud.batch.v20170312 import models

from tencent_batch_emulator.services.batch import catalog, schema, templates
from tencent_batch_emulator.services.batch.environments import environment_actions
from tencent_batch_emulator.services.batch.jobs import job_actions

REQUESTS: dict[str, type[msgspec.Struct]] = {
    "SubmitJob": job_actions.SubmitJob,
    "DescribeJob": job_actions.OneJob,
    "DescribeJobs": job_actions.DescribeJobs,
    "DescribeTask": job_actions.DescribeTask,
    "DescribeTaskLogs": job_actions.DescribeTaskLogs,
    "DescribeJobSubmitInfo": job_actions.OneJob,
    "DescribeJobMonitorData": job_actions.DescribeJobMonitorData,
    "TerminateJob": job_actions.OneJob,
    "TerminateTaskInstance": job_actions.TerminateTaskInstance,
    "RetryJobs": job_actions.ManyJobs,
    "DeleteJob": job_actions.OneJob,
    "CreateComputeEnv": environment_actions.CreateComputeEnv,
    "DescribeComputeEnv": environment_actions.OneEnv,
    "DescribeComputeEnvs": environment_actions.ManyEnvs,
    "DescribeComputeEnvActivities": environment_actions.DescribeActivities,
    "DescribeComputeEnvCreateInfo": environment_actions.OneEnv,
    "DescribeComputeEnvCreateInfos": environment_actions.ManyEnvs,
    "ModifyComputeEnv": environment_actions.ModifyComputeEnv,
    "TerminateComputeNode": environment_actions.TerminateComputeNode,
    "TerminateComputeNodes": environment_actions.TerminateComputeNodes,
    "AttachInstances": environment_actions.AttachInstances,
    "DetachInstances": environment_actions.DetachInstances,
    "DeleteComputeEnv": environment_actions.OneEnv,
    "CreateTaskTemplate": templates.CreateTaskTemplate,
    "ModifyTaskTemplate": templates.ModifyTaskTemplate,
    "DescribeTaskTemplates": templates.DescribeTaskTemplates,
    "DeleteTaskTemplates": templates.DeleteTaskTemplates,
    "DescribeInstanceCategories": catalog.NoParameters,
    "DescribeAvailableCvmInstanceTypes": catalog.FilteredRequest,
    "DescribeCvmZoneInstanceConfigInfos": catalog.FilteredRequest,
}
PARTS: dict[str, type[msgspec.Struct]] = {
    "Job": schema.JobSpec,
    "Task": schema.TaskSpec,
    "NamedComputeEnv": schema.EnvSpec,
    "AnonymousComputeEnv": schema.AnonymousComputeEnv,
    "EnvData": schema.EnvData,
    "Application": schema.Application,
    "Docker": schema.Docker,
    "CommandLine": schema.CommandLine,
    "Placement": schema.Placement,
    "Notification": schema.Notification,
    "EventConfig": schema.EventConfig,
    "EventVar": schema.NamedValue,
    "EnvVar": schema.NamedValue,
    "Dependence": schema.Dependence,
    "RedirectInfo": schema.RedirectInfo,
    "RedirectLocalInfo": schema.RedirectLocalInfo,
    "InputMapping": schema.InputMapping,
    "OutputMapping": schema.OutputMapping,
    "OutputMappingOption": schema.OutputMappingOption,
    "OutputMappingConfig": schema.OutputMappingConfig,
    "MountDataDisk": schema.MountDataDisk,
    "InstanceTypeOptions": schema.InstanceTypeOptions,
    "InstanceMarketOptionsRequest": schema.InstanceMarketOptions,
    "SpotMarketOptions": schema.SpotOptions,
    "ComputeEnvData": environment_actions.NewEnvData,
    "Instance": environment_actions.Attachment,
}


def sdk_fields(model: str) -> set[str]:
    return {name.removeprefix("_") for name in vars(getattr(models, model)())} - {"headers", "skip_sign"}


@pytest.mark.parametrize("action", REQUESTS)
def test_a_request_has_the_fields_that_the_sdk_sends(action: str) -> None:
    known = {field.encode_name for field in msgspec.structs.fields(REQUESTS[action])}
    assert sdk_fields(f"{action}Request") <= known


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_request_has_the_fields_that_the_sdk_sends(part: str) -> None:
    known = {field.encode_name for field in msgspec.structs.fields(PARTS[part])}
    assert sdk_fields(part) <= known


def test_every_request_of_the_sdk_is_known() -> None:
    sent = {name.removesuffix("Request") for name in dir(models) if name.endswith("Request")}
    assert set(REQUESTS) == sent - {"InstanceMarketOptions"}
