# SPDX-License-Identifier: Apache-2.0
"""What the vendor says of every action of Batch and TDMQ: a call that succeeds, its answer, and one that is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.batch_cloud import job, task

Params = dict[str, Any]

PLACEMENT = {"Zone": "ap-guangzhou-6"}
ENV = {
    "EnvName": "env",
    "DesiredComputeNodeCount": 1,
    "EnvData": {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"},
}
BY_ZONE = [{"Name": "zone", "Values": ["ap-guangzhou-6"]}]
NO_SUCH_FILTER = [{"Name": "color", "Values": ["red"]}]
SERVER = "ins-12345678"


@dataclass(frozen=True)
class World:
    """What there is before each call: see :func:`helpers.action_trials.make_world`."""

    now: int
    failed: str = ""
    running: str = ""
    env: str = ""
    empty_env: str = ""
    node: str = ""
    template: str = ""


@dataclass(frozen=True)
class Trial:
    """
    How one action is tried.

    :param params: What succeeds.
    :param shows: What must be true of the answer.
    :param refused: What does not.
    :param code: How it is refused; empty where the documentation knows no refusal of its own.
    """

    params: Callable[[World], Params]
    shows: Callable[[Params, World], object]
    refused: Callable[[World], Params]
    code: str


def _trial(
    params: Params | Callable[[World], Params],
    shows: Callable[[Params, World], object] | None,
    refused: Params | Callable[[World], Params],
    code: str,
) -> Trial:
    return Trial(
        params if callable(params) else lambda world: params,
        shows or (lambda answer, world: set(answer) == {"RequestId"}),
        refused if callable(refused) else lambda world: refused,
        code,
    )


NO_JOB = {"JobId": "job-00000000"}
NO_ENV = {"EnvId": "env-00000000"}
NO_NODE = "node-00000000"

BATCH: dict[str, Trial] = {
    "SubmitJob": _trial(
        {"Placement": PLACEMENT, "Job": job(task("true"))},
        lambda answer, world: answer["JobId"].startswith("job-"),
        {"Placement": PLACEMENT, "Job": job(task(name="a b"))},
        "InvalidParameter.TaskName",
    ),
    "DescribeJob": _trial(
        lambda world: {"JobId": world.failed},
        lambda answer, world: (answer["JobId"], answer["JobState"]) == (world.failed, "FAILED"),
        NO_JOB,
        "ResourceNotFound.Job",
    ),
    "DescribeJobs": _trial(
        lambda world: {"Filters": [{"Name": "job-state", "Values": ["FAILED"]}]},
        lambda answer, world: [one["JobId"] for one in answer["JobSet"]] == [world.failed],
        lambda world: {"JobIds": [world.failed], "Filters": BY_ZONE},
        "InvalidParameter.InvalidParameterCombination",
    ),
    "DescribeTask": _trial(
        lambda world: {"JobId": world.failed, "TaskName": "main"},
        lambda answer, world: answer["TaskInstanceSet"][0]["ExitCode"] == 3,
        lambda world: {"JobId": world.failed, "TaskName": "other"},
        "ResourceNotFound.Task",
    ),
    "DescribeTaskLogs": _trial(
        lambda world: {"JobId": world.failed, "TaskName": "main", "TaskInstanceIndexes": [0]},
        lambda answer, world: answer["TaskInstanceLogSet"][0]["StderrLog"].endswith("b29wcw=="),
        lambda world: {"JobId": world.failed, "TaskName": "main", "TaskInstanceIndexes": [7]},
        "ResourceNotFound.TaskInstance",
    ),
    "DescribeJobSubmitInfo": _trial(
        lambda world: {"JobId": world.running},
        lambda answer, world: answer["Tasks"][0]["TaskInstanceNum"] == 2,
        {"JobId": "job-1"},
        "InvalidParameter.JobIdMalformed",
    ),
    "DescribeJobMonitorData": _trial(
        lambda world: {"JobId": world.failed, "TaskName": "main", "TaskInstanceIndex": 0, "MetricName": "CpuUsage"},
        lambda answer, world: len(answer["DataPoints"]["Timestamps"]) == len(answer["DataPoints"]["Values"]),
        {**NO_JOB, "TaskName": "main", "TaskInstanceIndex": 0, "MetricName": "CpuUsage"},
        "ResourceNotFound.Job",
    ),
    "TerminateJob": _trial(lambda world: {"JobId": world.running}, None, NO_JOB, "ResourceNotFound.Job"),
    "TerminateTaskInstance": _trial(
        lambda world: {"JobId": world.running, "TaskName": "main", "TaskInstanceIndex": 1},
        None,
        lambda world: {"JobId": world.running, "TaskName": "main", "TaskInstanceIndex": 2},
        "ResourceNotFound.TaskInstance",
    ),
    "RetryJobs": _trial(
        lambda world: {"JobIds": [world.failed]},
        None,
        lambda world: {"JobIds": [world.running]},
        "UnsupportedOperation",
    ),
    "DeleteJob": _trial(
        lambda world: {"JobId": world.failed}, None, lambda world: {"JobId": world.running}, "ResourceInUse.Job"
    ),
    "CreateComputeEnv": _trial(
        {"Placement": PLACEMENT, "ComputeEnv": ENV},
        lambda answer, world: answer["EnvId"].startswith("env-"),
        {"Placement": PLACEMENT, "ComputeEnv": {**ENV, "DesiredComputeNodeCount": -1}},
        "InvalidParameterValue.Negative",
    ),
    "DescribeComputeEnv": _trial(
        lambda world: {"EnvId": world.env},
        lambda answer, world: world.node in {node["ComputeNodeId"] for node in answer["ComputeNodeSet"]},
        NO_ENV,
        "ResourceNotFound.ComputeEnv",
    ),
    "DescribeComputeEnvs": _trial(
        {"Filters": [{"Name": "env-name", "Values": ["env"]}]},
        lambda answer, world: [one["EnvId"] for one in answer["ComputeEnvSet"]] == [world.env],
        lambda world: {"EnvIds": [world.env], "Filters": BY_ZONE},
        "InvalidParameter.InvalidParameterCombination",
    ),
    "DescribeComputeEnvActivities": _trial(
        lambda world: {"EnvId": world.env, "Filters": {"Name": "compute-node-id", "Values": [world.node]}},
        lambda answer, world: answer["ActivitySet"][0]["ComputeNodeActivityType"] == "CREATE_COMPUTE_NODE",
        {"EnvId": "env-1"},
        "InvalidParameter.EnvIdMalformed",
    ),
    "DescribeComputeEnvCreateInfo": _trial(
        lambda world: {"EnvId": world.env},
        lambda answer, world: answer["EnvData"]["InstanceType"] == "S5.LARGE8",
        NO_ENV,
        "ResourceNotFound.ComputeEnv",
    ),
    "DescribeComputeEnvCreateInfos": _trial(
        lambda world: {"EnvIds": [world.env]},
        lambda answer, world: answer["ComputeEnvCreateInfoSet"][0]["EnvName"] == "env",
        lambda world: {"EnvIds": [world.env], "Filters": BY_ZONE},
        "InvalidParameter.InvalidParameterCombination",
    ),
    "ModifyComputeEnv": _trial(
        lambda world: {"EnvId": world.env, "DesiredComputeNodeCount": 2},
        None,
        lambda world: {"EnvId": world.env, "DesiredComputeNodeCount": -1},
        "InvalidParameterValue.Negative",
    ),
    "TerminateComputeNode": _trial(
        lambda world: {"EnvId": world.env, "ComputeNodeId": world.node},
        None,
        lambda world: {"EnvId": world.env, "ComputeNodeId": NO_NODE},
        "ResourceNotFound.ComputeNode",
    ),
    "TerminateComputeNodes": _trial(
        lambda world: {"EnvId": world.env, "ComputeNodeIds": [world.node]},
        None,
        lambda world: {"EnvId": world.env, "ComputeNodeIds": [NO_NODE]},
        "ResourceNotFound.ComputeNode",
    ),
    "AttachInstances": _trial(
        lambda world: {"EnvId": world.env, "Instances": [{"InstanceId": "ins-87654321"}]},
        None,
        lambda world: {"EnvId": world.env, "Instances": [{"InstanceId": "ins-87654321"}] * 2},
        "InvalidParameterValue.InstanceIdDuplicated",
    ),
    "DetachInstances": _trial(
        lambda world: {"EnvId": world.env, "InstanceIds": [SERVER]},
        None,
        {**NO_ENV, "InstanceIds": [SERVER]},
        "ResourceNotFound.ComputeEnv",
    ),
    "DeleteComputeEnv": _trial(
        lambda world: {"EnvId": world.empty_env},
        None,
        lambda world: {"EnvId": world.env},
        "UnsupportedOperation.ComputeEnvOperation",
    ),
    "CreateTaskTemplate": _trial(
        {"TaskTemplateName": "other", "TaskTemplateInfo": task()},
        lambda answer, world: answer["TaskTemplateId"].startswith("task-tmpl-"),
        {"TaskTemplateName": "n" * 61, "TaskTemplateInfo": task()},
        "InvalidParameter.TaskTemplateNameTooLong",
    ),
    "ModifyTaskTemplate": _trial(
        lambda world: {"TaskTemplateId": world.template, "TaskTemplateName": "other"},
        None,
        lambda world: {"TaskTemplateId": world.template},
        "InvalidParameterAtLeastOneAttribute",
    ),
    "DescribeTaskTemplates": _trial(
        lambda world: {"TaskTemplateIds": [world.template]},
        lambda answer, world: answer["TaskTemplateSet"][0]["TaskTemplateName"] == "template",
        {"TaskTemplateIds": ["task-1"]},
        "InvalidParameter.TaskTemplateIdMalformed",
    ),
    "DeleteTaskTemplates": _trial(
        lambda world: {"TaskTemplateIds": [world.template]},
        None,
        {"TaskTemplateIds": ["task-tmpl-00000000"]},
        "ResourceNotFound.TaskTemplate",
    ),
    "DescribeInstanceCategories": _trial(
        {}, lambda answer, world: answer["InstanceCategorySet"][0]["InstanceFamilySet"], {}, ""
    ),
    "DescribeAvailableCvmInstanceTypes": _trial(
        {"Filters": [{"Name": "instance-family", "Values": ["S5"]}]},
        lambda answer, world: answer["InstanceTypeConfigSet"][0]["Cpu"],
        {"Filters": NO_SUCH_FILTER},
        "InvalidFilter",
    ),
    "DescribeCvmZoneInstanceConfigInfos": _trial(
        {"Filters": BY_ZONE},
        lambda answer, world: answer["InstanceTypeQuotaSet"][0]["Status"] == "SELL",
        {"Filters": NO_SUCH_FILTER},
        "InvalidFilter",
    ),
}

JOBS, EVENTS = {"QueueName": "jobs"}, {"TopicName": "events"}
NO_QUEUE, NO_TOPIC = {"QueueName": "nowhere"}, {"TopicName": "nowhere"}
SUBSCRIPTION = {**EVENTS, "SubscriptionName": "jobs"}
NO_SUBSCRIPTION = {**EVENTS, "SubscriptionName": "nowhere"}

TDMQ: dict[str, Trial] = {
    "CreateCmqQueue": _trial(
        {"QueueName": "other"},
        lambda answer, world: answer["QueueId"].startswith("cmqq-"),
        JOBS,
        "ResourceInUse.Queue",
    ),
    "DeleteCmqQueue": _trial(JOBS, None, NO_QUEUE, "ResourceNotFound"),
    "DescribeCmqQueues": _trial(
        {"QueueName": "jo"},
        lambda answer, world: [one["QueueName"] for one in answer["QueueList"]] == ["jobs"],
        {"Limit": 51},
        "InvalidParameterValue",
    ),
    "DescribeCmqQueueDetail": _trial(
        JOBS, lambda answer, world: answer["QueueDescribe"]["RewindSeconds"] == 600, NO_QUEUE, "ResourceNotFound"
    ),
    "ModifyCmqQueueAttribute": _trial({**JOBS, "VisibilityTimeout": 60}, None, NO_QUEUE, "ResourceNotFound"),
    "ClearCmqQueue": _trial(JOBS, None, NO_QUEUE, "ResourceNotFound"),
    "RewindCmqQueue": _trial(
        lambda world: {**JOBS, "StartConsumeTime": (world.now - 60) * 1000},
        None,
        {"QueueName": "dead", "StartConsumeTime": 0},
        "FailedOperation",
    ),
    "UnbindCmqDeadLetter": _trial(
        {"SourceQueueName": "jobs"}, None, {"SourceQueueName": "nowhere"}, "ResourceNotFound"
    ),
    "SendCmqMsg": _trial(
        {**JOBS, "MsgContent": "a", "DelaySeconds": 0},
        lambda answer, world: answer["Result"] is True and answer["MsgId"],
        {**NO_QUEUE, "MsgContent": "a", "DelaySeconds": 0},
        "ResourceNotFound",
    ),
    "CreateCmqTopic": _trial(
        {"TopicName": "other"},
        lambda answer, world: answer["TopicId"].startswith("cmqt-"),
        EVENTS,
        "ResourceInUse.Topic",
    ),
    "DeleteCmqTopic": _trial({"TopicName": "unused"}, None, NO_TOPIC, "ResourceNotFound.Topic"),
    "DescribeCmqTopics": _trial(
        {"TopicName": "event"},
        lambda answer, world: [one["TopicName"] for one in answer["TopicList"]] == ["events"],
        {"Limit": 51},
        "InvalidParameterValue",
    ),
    "DescribeCmqTopicDetail": _trial(
        EVENTS, lambda answer, world: answer["TopicDescribe"]["FilterType"] == 1, NO_TOPIC, "ResourceNotFound.Topic"
    ),
    "ModifyCmqTopicAttribute": _trial({**EVENTS, "MaxMsgSize": 2048}, None, NO_TOPIC, "ResourceNotFound.Topic"),
    "PublishCmqMsg": _trial(
        {**EVENTS, "MsgContent": "a", "MsgTag": ["red"]},
        lambda answer, world: answer["Result"] is True and answer["MsgId"],
        {**EVENTS, "MsgContent": "a", "MsgTag": ["blue"]},
        "FailedOperation",
    ),
    "CreateCmqSubscribe": _trial(
        {**EVENTS, "SubscriptionName": "other", "Protocol": "queue", "Endpoint": "dead"},
        lambda answer, world: answer["SubscriptionId"].startswith("subsc-"),
        {**SUBSCRIPTION, "Protocol": "queue", "Endpoint": "jobs"},
        "ResourceInUse.Subscription",
    ),
    "DeleteCmqSubscribe": _trial(
        SUBSCRIPTION, None, {**NO_TOPIC, "SubscriptionName": "jobs"}, "ResourceNotFound.Topic"
    ),
    "DescribeCmqSubscriptionDetail": _trial(
        EVENTS,
        lambda answer, world: answer["SubscriptionSet"][0]["FilterTags"] == ["red"],
        NO_TOPIC,
        "ResourceNotFound.Topic",
    ),
    "ModifyCmqSubscriptionAttribute": _trial(
        {**SUBSCRIPTION, "FilterTags": ["blue"]},
        None,
        {**SUBSCRIPTION, "FilterTags": ["t"] * 6},
        "InvalidParameterValue",
    ),
    "ClearCmqSubscriptionFilterTags": _trial(SUBSCRIPTION, None, NO_SUBSCRIPTION, "ResourceNotFound"),
}

TRIALS = {"batch": BATCH, "tdmq": TDMQ}
