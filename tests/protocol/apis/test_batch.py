# SPDX-License-Identifier: Apache-2.0
"""What is asked of the Batch API, and what becomes of its answers."""

from __future__ import annotations

from typing import Any

import pytest
from protocol.apis.vendor_models import assert_known_to_the_vendor
from tencentcloud.batch.v20170312 import models

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.request import Request

JOB = {"JobName": "render", "Tasks": [{"TaskName": "t", "Application": {"DeliveryForm": "LOCAL", "Command": "true"}}]}
PLACEMENT = {"Zone": "ap-guangzhou-6"}


REQUESTS: list[Any] = [
    (batch.submit_job(JOB, PLACEMENT), "SubmitJob", {"Job": JOB, "Placement": PLACEMENT}, False),
    (
        batch.submit_job(JOB, PLACEMENT, "token"),
        "SubmitJob",
        {"Job": JOB, "Placement": PLACEMENT, "ClientToken": "token"},
        True,
    ),
    (batch.describe_job("job-1"), "DescribeJob", {"JobId": "job-1"}, True),
    (
        batch.describe_jobs(["job-1", "job-2"]),
        "DescribeJobs",
        {"JobIds": ["job-1", "job-2"], "Offset": 0, "Limit": 100},
        True,
    ),
    (
        batch.describe_jobs(filters={"job-state": ["FAILED"]}, offset=100),
        "DescribeJobs",
        {"Filters": [{"Name": "job-state", "Values": ["FAILED"]}], "Offset": 100, "Limit": 100},
        True,
    ),
    (batch.describe_jobs([]), "DescribeJobs", {"Offset": 0, "Limit": 100}, True),
    (
        batch.describe_tagged_jobs({"k": "v", "l": "w"}, offset=100),
        "DescribeJobs",
        {
            "Filters": [{"Name": "tag:k", "Values": ["v"]}, {"Name": "tag:l", "Values": ["w"]}],
            "Offset": 100,
            "Limit": 100,
        },
        True,
    ),
    (
        batch.describe_tagged_compute_envs({"k": "v"}),
        "DescribeComputeEnvs",
        {"Filters": [{"Name": "tag:k", "Values": ["v"]}], "Offset": 0, "Limit": 100},
        True,
    ),
    (batch.describe_job_submit_info("job-1"), "DescribeJobSubmitInfo", {"JobId": "job-1"}, True),
    (
        batch.describe_task("job-1", "t", states=["FAILED"], limit=5),
        "DescribeTask",
        {
            "JobId": "job-1",
            "TaskName": "t",
            "Offset": 0,
            "Limit": 5,
            "Filters": [{"Name": "task-instance-state", "Values": ["FAILED"]}],
        },
        True,
    ),
    (
        batch.describe_task_logs("job-1", "t", [0, 7]),
        "DescribeTaskLogs",
        {"JobId": "job-1", "TaskName": "t", "TaskInstanceIndexes": [0, 7], "Limit": 10},
        True,
    ),
    (batch.terminate_job("job-1"), "TerminateJob", {"JobId": "job-1"}, True),
    (
        batch.terminate_task_instance("job-1", "t", 0),
        "TerminateTaskInstance",
        {"JobId": "job-1", "TaskName": "t", "TaskInstanceIndex": 0},
        True,
    ),
    (batch.retry_jobs(["job-1"]), "RetryJobs", {"JobIds": ["job-1"]}, False),
    (batch.delete_job("job-1"), "DeleteJob", {"JobId": "job-1"}, False),
    (
        batch.create_compute_env({"EnvName": "e"}, PLACEMENT, "token"),
        "CreateComputeEnv",
        {"ComputeEnv": {"EnvName": "e"}, "Placement": PLACEMENT, "ClientToken": "token"},
        True,
    ),
    (
        batch.modify_compute_env("env-1", desired_node_count=0, env_data={"InstanceTypes": ["S1"]}),
        "ModifyComputeEnv",
        {"EnvId": "env-1", "DesiredComputeNodeCount": 0, "EnvData": {"InstanceTypes": ["S1"]}},
        True,
    ),
    (batch.delete_compute_env("env-1"), "DeleteComputeEnv", {"EnvId": "env-1"}, False),
    (batch.describe_compute_env("env-1"), "DescribeComputeEnv", {"EnvId": "env-1"}, True),
    (
        batch.describe_compute_envs(["env-1"]),
        "DescribeComputeEnvs",
        {"EnvIds": ["env-1"], "Offset": 0, "Limit": 100},
        True,
    ),
    (
        batch.describe_compute_env_activities("env-1", node_id="node-1"),
        "DescribeComputeEnvActivities",
        {
            "EnvId": "env-1",
            "Offset": 0,
            "Limit": 100,
            "Filters": {"Name": "compute-node-id", "Values": ["node-1"]},
        },
        True,
    ),
]


@pytest.mark.parametrize(
    ("request_", "action", "params", "repeatable"),
    REQUESTS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_requests_carry_the_apis_own_names(
    request_: Request[Any], action: str, params: dict[str, Any], repeatable: bool
) -> None:
    assert (request_.service, request_.action) == ("batch", action)
    assert request_.params == params
    assert request_.repeatable is repeatable


@pytest.mark.parametrize("request_", [entry[0] for entry in REQUESTS], ids=lambda request_: request_.action)
def test_the_vendors_sdk_knows_every_parameter(request_: Request[Any]) -> None:
    assert_known_to_the_vendor(request_, models)


@pytest.mark.parametrize("token", ["", "x" * 65, "tökén"])
def test_a_client_token_that_the_api_would_not_take_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="64 ASCII characters"):
        batch.submit_job(JOB, PLACEMENT, token)


def test_more_than_the_api_takes_in_one_call_is_refused() -> None:
    with pytest.raises(ValueError, match="100 ids"):
        batch.describe_jobs([f"job-{number}" for number in range(101)])
    with pytest.raises(ValueError, match="10 instances"):
        batch.describe_task_logs("job-1", "t", range(11))


def test_a_string_is_not_taken_for_a_list_of_ids() -> None:
    with pytest.raises(TypeError, match="job-1"):
        batch.retry_jobs("job-1")


def test_a_submitted_job_is_its_id() -> None:
    assert batch.submit_job(JOB, PLACEMENT).parse({"JobId": "job-1", "RequestId": "r"}) == "job-1"


@pytest.mark.parametrize("value", [None, "", " ", "None of it", "a\0", 5, True, [], {}, ["job-1"], "x" * 200])
@pytest.mark.parametrize(("request_", "name"), [(REQUESTS[0][0], "JobId"), (batch.create_compute_env({}, {}), "EnvId")])
def test_an_answer_without_an_id_is_no_answer(request_: Request[Any], name: str, value: Any) -> None:
    """ "Cannot be read" taken for a fact: a job would run that nobody can name."""
    with pytest.raises((ValueError, KeyError)):
        request_.parse({name: value})


def test_states_are_never_asked_for_without_ids() -> None:
    with pytest.raises(ValueError, match="needs a job id"):
        batch.describe_job_states([])


@pytest.mark.parametrize("value", [None, "", 7, True, {}, ["job-1"], "job-1\n", "job-\x1b[31m", "-", "a" * 129])
def test_an_answer_that_names_nothing_that_was_made_is_no_answer(value: Any) -> None:
    for request, name in (
        (batch.submit_job({}, {}), "JobId"),
        (batch.create_compute_env({}, {}), "EnvId"),
    ):
        with pytest.raises(ValueError, match=f"{name} is .*, not an id"):
            request.parse({name: value})
