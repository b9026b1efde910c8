# SPDX-License-Identifier: Apache-2.0
"""What is asked of the Batch API, and what becomes of its answers."""

from __future__ import annotations

import base64
import json
import warnings
from typing import Any

import pendulum
import pytest
from tencentcloud.batch.v20170312 import models

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.request import Request

JOB = {"JobName": "render", "Tasks": [{"TaskName": "t", "Application": {"DeliveryForm": "LOCAL", "Command": "true"}}]}
PLACEMENT = {"Zone": "ap-guangzhou-6"}
CREATED = "2019-10-08T04:00:00Z"
ENDED = "2019-10-08 04:05:00"


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
    model = getattr(models, f"{request_.action}Request")()
    with warnings.catch_warnings():
        # The SDK warns of fields that its model does not have.
        warnings.simplefilter("error")
        model.from_json_string(json.dumps(request_.params))
    known = json.loads(model.to_json_string())
    assert {name for name, value in known.items() if value is not None} == set(request_.params)


def test_a_request_does_not_show_what_is_in_the_job() -> None:
    job = {"Tasks": [{"Application": {"Docker": {"Password": "passw0rd"}}}]}
    assert "passw0rd" not in repr(batch.submit_job(job, PLACEMENT))


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


def test_listed_jobs_are_typed_and_unknown_states_pass_through() -> None:
    view = {
        "JobId": "job-1",
        "JobName": "render",
        "JobState": "HIBERNATING",
        "Priority": 1,
        "CreateTime": CREATED,
        "EndTime": None,
        "TaskMetrics": {"RunningCount": 1},
        "Tags": None,
    }
    ended = {**view, "JobId": "job-2", "JobState": "SUCCEED", "EndTime": ENDED}
    first, second = batch.describe_jobs(["job-1", "job-2"]).parse({"TotalCount": 2, "JobSet": [view, ended]})
    assert (first.job_id, first.state, first.name) == ("job-1", "HIBERNATING", "render")
    assert first.create_time == pendulum.datetime(2019, 10, 8, 4)
    assert first.end_time is None
    assert first.raw == view
    assert second.end_time == pendulum.datetime(2019, 10, 8, 4, 5)


def test_an_empty_list_may_be_null() -> None:
    assert batch.describe_jobs(["job-1"]).parse({"TotalCount": 0, "JobSet": None}) == []


def entry(job_id: object = "job-1", state: object = "RUNNING") -> dict[str, Any]:
    return {"JobId": job_id, "JobState": state}


def states_of(answer: Any, *asked: str) -> tuple[dict[str, str], bool]:
    found = batch.describe_job_states(asked or ("job-1", "job-2")).parse(answer)
    return found.states, found.is_complete


def test_the_states_of_jobs_are_read_and_a_job_that_is_not_shown_is_not_there() -> None:
    assert states_of({"TotalCount": 1, "JobSet": [entry()]}) == ({"job-1": "RUNNING"}, True)
    assert states_of({"TotalCount": 0, "JobSet": []}) == ({}, True)
    # Some services write an empty list as null.
    assert states_of({"TotalCount": 0, "JobSet": None}) == ({}, True)
    assert states_of({"TotalCount": 1, "JobSet": [entry(state="HIBERNATING")]}) == ({"job-1": "HIBERNATING"}, True)


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ({}, {}),
        ({"TotalCount": 1, "JobSet": None}, {}),
        ({"TotalCount": 1, "JobSet": []}, {}),
        ({"JobSet": []}, {}),
        ({"TotalCount": None, "JobSet": []}, {}),
        ({"TotalCount": float("inf"), "JobSet": []}, {}),
        ({"TotalCount": 0.5, "JobSet": []}, {}),
        ({"TotalCount": 0}, {}),
        ({"TotalCount": False, "JobSet": []}, {}),
        ({"TotalCount": 0, "JobSet": {}}, {}),
        ({"TotalCount": 0, "JobSet": "none"}, {}),
        ({"TotalCount": 0, "JobSet": [entry()]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry()]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 1, "JobSet": [entry("job-3")]}, {}),
        ({"TotalCount": 1, "JobSet": [entry(None)]}, {}),
        ({"TotalCount": 1, "JobSet": [entry(["job-1"])]}, {}),
        ({"TotalCount": 2, "JobSet": [entry(), entry("job-2", None)]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), entry("job-2", "")]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), entry("job-2", 7)]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), {"JobId": "job-2"}]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), None]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), "job-2"]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), entry()]}, {"job-1": "RUNNING"}),
        ({"TotalCount": 2, "JobSet": [entry(), entry(state="FAILED")]}, {}),
    ],
)
def test_an_answer_that_contradicts_itself_tells_what_can_be_read_and_nothing_else(
    answer: Any, states: dict[str, str]
) -> None:
    assert states_of(answer) == (states, False)


def test_states_are_never_asked_for_without_ids_which_would_list_any_jobs() -> None:
    with pytest.raises(ValueError, match="needs a job id"):
        batch.describe_job_states([])


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (batch.describe_job("job-1"), {"JobId": "job-2", "JobState": "RUNNING"}),
        (batch.describe_job("job-1"), {"JobState": "RUNNING"}),
        (batch.describe_job("job-1"), {"JobId": "job-1", "JobState": None}),
        (batch.describe_job("job-1"), {"JobId": "job-1"}),
        (batch.describe_task("job-1", "t"), {"JobId": "job-2", "TaskName": "t", "TaskState": "RUNNING"}),
        (batch.describe_task("job-1", "t"), {"JobId": "job-1", "TaskName": "u", "TaskState": "RUNNING"}),
        (batch.describe_task("job-1", "t"), {"JobId": "job-1", "TaskName": "t", "TaskState": None}),
        (batch.describe_compute_env("env-1"), {"EnvId": "env-2", "ComputeNodeSet": []}),
        (batch.describe_compute_env("env-1"), {"EnvId": "env-1"}),
        (batch.describe_compute_env("env-1"), {"EnvId": "env-1", "ComputeNodeMetrics": {"RunningCount": 2}}),
        (
            batch.describe_compute_env("env-1"),
            {"EnvId": "env-1", "ComputeNodeSet": [], "ComputeNodeMetrics": {"RunningCount": 2}},
        ),
        (batch.describe_compute_env("env-1"), {"EnvId": "env-1", "ComputeNodeSet": []}),
        (batch.describe_compute_env("env-1"), {"EnvId": "env-1", "ComputeNodeSet": [], "DesiredComputeNodeCount": "n"}),
        (
            batch.describe_compute_env("env-1"),
            {
                "EnvId": "env-1",
                "DesiredComputeNodeCount": 2,
                "ComputeNodeSet": [{"ComputeNodeId": "node-1", "ComputeNodeState": "RUNNING"}] * 2,
            },
        ),
    ],
)
def test_an_answer_about_something_else_or_without_a_state_is_no_answer(request_: Any, answer: Any) -> None:
    with pytest.raises(ValueError, match=r"asked for|not the name of a state|does not say|a node twice"):
        request_.parse(answer)


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    odd: list[Any] = [None, "x", {}, {"TaskName": "u"}, {"TaskName": "u", "TaskState": 7}]
    answer = {"JobId": "job-1", "JobState": "FAILED", "TaskSet": [*odd, {"TaskName": "t", "TaskState": "FAILED"}]}
    assert [task.name for task in batch.describe_job("job-1").parse(answer).tasks] == ["t"]


def test_a_node_that_cannot_be_read_is_one_that_does_not_run_and_not_one_that_is_missing() -> None:
    nodes = [None, {}, {"ComputeNodeId": "node-1"}, {"ComputeNodeId": "node-2", "ComputeNodeState": "RUNNING"}]
    answer = {
        "EnvId": "env-1",
        "DesiredComputeNodeCount": 4,
        "ComputeNodeSet": nodes,
        "ComputeNodeMetrics": {"RunningCount": "many"},
    }
    env = batch.describe_compute_env("env-1").parse(answer)
    assert [node.state for node in env.nodes] == ["", "", "", "RUNNING"]
    assert env.node_counts == {}


def test_a_job_is_described_with_its_tasks() -> None:
    answer = {
        "JobId": "job-1",
        "JobName": "render",
        "JobState": "FAILED",
        "CreateTime": CREATED,
        "EndTime": CREATED,
        "TaskSet": [{"TaskName": "t", "TaskState": "FAILED", "CreateTime": CREATED, "EndTime": None}],
        "DependenceSet": [{"StartTask": "t", "EndTask": "u"}],
        "TaskMetrics": {"FailedCount": 1},
        "TaskInstanceMetrics": {"FailedCount": 2},
        "StateReason": "instance failed",
        "Tags": None,
        "NextAction": "TERMINATING",
    }
    job = batch.describe_job("job-1").parse(answer)
    assert (job.state, job.state_reason, job.next_action) == ("FAILED", "instance failed", "TERMINATING")
    assert [(task.name, task.state, task.end_time) for task in job.tasks] == [("t", "FAILED", None)]
    assert job.dependences == (("t", "u"),)
    assert (job.task_counts, job.instance_counts) == ({"FailedCount": 1}, {"FailedCount": 2})


def test_a_job_that_says_next_to_nothing_can_be_read() -> None:
    job = batch.describe_job("job-1").parse({"JobId": "job-1", "JobState": "SUBMITTED", "StateReason": None})
    assert (job.tasks, job.state_reason, job.end_time) == ((), "", None)


def test_a_task_is_described_with_its_instances() -> None:
    answer = {
        "JobId": "job-1",
        "TaskName": "t",
        "TaskState": "FAILED",
        "CreateTime": CREATED,
        "EndTime": CREATED,
        "TaskInstanceTotalCount": 12,
        "TaskInstanceSet": [
            {
                "TaskInstanceIndex": 1,
                "TaskInstanceState": "FAILED",
                "ExitCode": 0,
                "StateReason": "RunError",
                "StateDetailedReason": "first heartbeat timeout",
                "ComputeNodeInstanceId": "ins-1",
                "CreateTime": CREATED,
                "LaunchTime": CREATED,
                "RunningTime": CREATED,
                "EndTime": ENDED,
                "RedirectInfo": {},
            },
            {"TaskInstanceIndex": 0, "TaskInstanceState": "RUNNING", "ExitCode": None},
        ],
        "TaskInstanceMetrics": {"FailedCount": 1, "RunningCount": 1},
    }
    task = batch.describe_task("job-1", "t").parse(answer)
    assert (task.name, task.state, task.total_count) == ("t", "FAILED", 12)
    failed, running = task.instances
    assert (failed.index, failed.exit_code, failed.state_reason) == (1, 0, "RunError")
    assert failed.state_detailed_reason == "first heartbeat timeout"
    assert failed.end_time == pendulum.datetime(2019, 10, 8, 4, 5)
    assert (running.index, running.exit_code, running.launch_time) == (0, None, None)


def test_what_instances_wrote_is_decoded() -> None:
    entry = {
        "TaskInstanceIndex": 3,
        "StdoutLog": "data:text/plain;charset=utf-8;base64," + base64.b64encode("grüße\n".encode()).decode(),
        "StderrLog": None,
        "StdoutRedirectPath": "cos://bucket/",
        "StdoutRedirectFileName": "out.log",
        "StderrRedirectPath": "",
        "StderrRedirectFileName": None,
    }
    [log] = batch.describe_task_logs("job-1", "t", [3]).parse({"TotalCount": 1, "TaskInstanceLogSet": [entry]})
    assert (log.index, log.stdout, log.stderr) == (3, "grüße\n", "")
    assert (log.stdout_path, log.stderr_path) == ("cos://bucket/out.log", "")


def test_a_compute_environment_is_described_with_its_nodes() -> None:
    answer = {
        "EnvId": "env-1",
        "EnvName": "render",
        "CreateTime": "2020-11-11 15:00:33",
        "ComputeNodeSet": [
            {"ComputeNodeId": "node-1", "ComputeNodeInstanceId": "ins-1", "ComputeNodeState": "RUNNING"},
            {"ComputeNodeId": "node-2", "ComputeNodeInstanceId": None, "ComputeNodeState": "CREATING"},
        ],
        "ComputeNodeMetrics": {"RunningCount": 1, "CreatingCount": 1},
        "DesiredComputeNodeCount": 2,
        "NextAction": "",
    }
    env = batch.describe_compute_env("env-1").parse(answer)
    assert (env.name, env.desired_node_count, env.running_node_count) == ("render", 2, 1)
    assert [(node.node_id, node.instance_id, node.state) for node in env.nodes] == [
        ("node-1", "ins-1", "RUNNING"),
        ("node-2", "", "CREATING"),
    ]
    [listed] = batch.describe_compute_envs(["env-1"]).parse({"ComputeEnvSet": [{"EnvId": "env-1"}]})
    assert (listed.nodes, listed.running_node_count) == ((), 0)


def test_activities_say_what_failed_and_why() -> None:
    entry = {
        "ActivityId": "act-1",
        "ComputeNodeId": "node-1",
        "ComputeNodeActivityType": "CREATE_COMPUTE_NODE",
        "EnvId": "env-1",
        "Cause": "CreateComputeEnv: the capacity is 1",
        "ActivityState": "FAILED",
        "StateReason": "InternalError.CallCvm:CvmAPICode",
        "StartTime": CREATED,
        "EndTime": None,
    }
    [activity] = batch.describe_compute_env_activities("env-1").parse({"TotalCount": 1, "ActivitySet": [entry]})
    assert (activity.kind, activity.state) == ("CREATE_COMPUTE_NODE", "FAILED")
    assert activity.state_reason == "InternalError.CallCvm:CvmAPICode"
    assert activity.end_time is None


@pytest.mark.parametrize("value", [None, "", 7, True, {}, ["job-1"], "job-1\n", "job-\x1b[31m", "-", "a" * 129])
def test_an_answer_that_names_nothing_that_was_made_is_no_answer(value: Any) -> None:
    for request, name in (
        (batch.submit_job({}, {}), "JobId"),
        (batch.create_compute_env({}, {}), "EnvId"),
    ):
        with pytest.raises(ValueError, match=f"{name} is .*, not an id"):
            request.parse({name: value})
