# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from typing import Any

import pendulum
import pytest

from airflow_batch_events.protocol.apis import batch

CREATED = "2019-10-08T04:00:00Z"
ENDED = "2019-10-08 04:05:00"


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


def test_a_job_that_is_not_shown_is_not_there() -> None:
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
def test_a_contradictory_answer_tells_only_what_can_be_read(answer: Any, states: dict[str, str]) -> None:
    assert states_of(answer) == (states, False)


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
def test_an_answer_about_another_thing_is_no_answer(request_: Any, answer: Any) -> None:
    with pytest.raises(ValueError, match=r"asked for|not the name of a state|does not say|a node twice"):
        request_.parse(answer)


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    odd: list[Any] = [None, "x", {}, {"TaskName": "u"}, {"TaskName": "u", "TaskState": 7}]
    answer = {"JobId": "job-1", "JobState": "FAILED", "TaskSet": [*odd, {"TaskName": "t", "TaskState": "FAILED"}]}
    assert [task.name for task in batch.describe_job("job-1").parse(answer).tasks] == ["t"]


def test_an_unreadable_node_is_neither_running_nor_missing() -> None:
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
    assert (env.name, env.desired_node_count, env.node_counts["RunningCount"]) == ("render", 2, 1)
    assert [(node.node_id, node.instance_id, node.state) for node in env.nodes] == [
        ("node-1", "ins-1", "RUNNING"),
        ("node-2", "", "CREATING"),
    ]
    [listed] = batch.describe_compute_envs(["env-1"]).parse({"ComputeEnvSet": [{"EnvId": "env-1"}]})
    assert (listed.nodes, listed.node_counts) == ((), {})


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
