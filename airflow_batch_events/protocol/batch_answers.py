# SPDX-License-Identifier: Apache-2.0
"""
The Batch API's answers as values.

States pass through as the API spells them, the ones that nobody knows yet included; ``raw`` keeps what has no field of
its own. Only what identifies an object and its state has to be there: a missing time or reason costs nothing else.
"""

from __future__ import annotations

from typing import Any

from msgspec import field
from pendulum import DateTime

from airflow_batch_events.protocol.fields import View, counts, decoded_log, text, when, whole

Answer = dict[str, Any]


class JobView(View, frozen=True):
    """
    A job in a list.

    :param job_id: For example ``job-4yn0we13``.
    :param state: As the API spells it, for example ``SUCCEED``.
    """

    job_id: str
    state: str
    name: str = ""
    create_time: DateTime | None = None
    end_time: DateTime | None = None
    raw: Answer = field(default_factory=dict)


class TaskView(View, frozen=True):
    """A task of a job."""

    name: str
    state: str
    create_time: DateTime | None = None
    end_time: DateTime | None = None


class JobDescription(View, frozen=True):
    """
    A job.

    :param state_reason: Why it is in that state; often empty.
    :param next_action: ``TERMINATING`` while it is being ended, else empty.
    :param dependences: Pairs of task names: the second starts after the first.
    :param instance_counts: Task instances by state, for example ``{"SucceedCount": 4}``.
    """

    job_id: str
    state: str
    name: str = ""
    create_time: DateTime | None = None
    end_time: DateTime | None = None
    state_reason: str = ""
    next_action: str = ""
    tasks: tuple[TaskView, ...] = ()
    dependences: tuple[tuple[str, str], ...] = ()
    task_counts: dict[str, int] = field(default_factory=dict)
    instance_counts: dict[str, int] = field(default_factory=dict)
    raw: Answer = field(default_factory=dict)


class InstanceView(View, frozen=True):
    """
    A task instance.

    :param index: Counts from 0 in its task.
    :param exit_code: None while it has none.
    :param state_detailed_reason: For example ``first heartbeat timeout``.
    :param compute_node_instance_id: Id of the virtual machine; changes on a retry.
    """

    index: int
    state: str
    exit_code: int | None = None
    state_reason: str = ""
    state_detailed_reason: str = ""
    compute_node_instance_id: str = ""
    create_time: DateTime | None = None
    launch_time: DateTime | None = None
    running_time: DateTime | None = None
    end_time: DateTime | None = None
    raw: Answer = field(default_factory=dict)


class TaskDescription(View, frozen=True):
    """
    A task and one page of its instances.

    :param total_count: Instances that match, on all pages.
    """

    job_id: str
    name: str
    state: str
    create_time: DateTime | None = None
    end_time: DateTime | None = None
    total_count: int = 0
    instances: tuple[InstanceView, ...] = ()
    instance_counts: dict[str, int] = field(default_factory=dict)
    raw: Answer = field(default_factory=dict)


class InstanceLog(View, frozen=True):
    """
    What a task instance wrote, up to 2,048 bytes of each stream.

    :param stdout_path: Where the whole output goes, when the task redirects it.
    """

    index: int
    stdout: str = ""
    stderr: str = ""
    stdout_path: str = ""
    stderr_path: str = ""


class ComputeNode(View, frozen=True):
    """A node of a compute environment."""

    node_id: str
    instance_id: str
    state: str
    raw: Answer = field(default_factory=dict)


class ComputeEnv(View, frozen=True):
    """
    A compute environment.

    :param next_action: ``DELETING`` while it is being deleted, else empty.
    :param node_counts: Nodes by state, for example ``{"RunningCount": 2}``.
    :param nodes: Filled by ``DescribeComputeEnv`` only.
    """

    env_id: str
    name: str
    desired_node_count: int
    next_action: str = ""
    create_time: DateTime | None = None
    node_counts: dict[str, int] = field(default_factory=dict)
    nodes: tuple[ComputeNode, ...] = ()
    raw: Answer = field(default_factory=dict)

    @property
    def running_node_count(self) -> int:
        """Nodes that run."""
        return self.node_counts.get("RunningCount", 0)


class Activity(View, frozen=True):
    """
    Something that a compute environment does to a node.

    :param kind: For example ``CREATE_COMPUTE_NODE``.
    :param state: ``SUBMITTED``, ``PROCESSING``, ``SUCCEED`` or ``FAILED``.
    """

    activity_id: str
    node_id: str
    kind: str
    state: str
    cause: str = ""
    state_reason: str = ""
    start_time: DateTime | None = None
    end_time: DateTime | None = None
    raw: Answer = field(default_factory=dict)


def read_job_view(view: Answer) -> JobView:
    """Read an entry of ``JobSet``."""
    return JobView(
        job_id=view["JobId"],
        state=view["JobState"],
        name=text(view, "JobName"),
        create_time=when(view.get("CreateTime")),
        end_time=when(view.get("EndTime")),
        raw=view,
    )


def read_job_description(answer: Answer) -> JobDescription:
    """Read the answer of ``DescribeJob``."""
    return JobDescription(
        job_id=answer["JobId"],
        state=answer["JobState"],
        name=text(answer, "JobName"),
        create_time=when(answer.get("CreateTime")),
        end_time=when(answer.get("EndTime")),
        state_reason=text(answer, "StateReason"),
        next_action=text(answer, "NextAction"),
        tasks=tuple(read_task_view(task) for task in answer.get("TaskSet") or ()),
        dependences=tuple((pair["StartTask"], pair["EndTask"]) for pair in answer.get("DependenceSet") or ()),
        task_counts=counts(answer, "TaskMetrics"),
        instance_counts=counts(answer, "TaskInstanceMetrics"),
        raw=answer,
    )


def read_task_view(task: Answer) -> TaskView:
    """Read an entry of ``TaskSet``."""
    return TaskView(task["TaskName"], task["TaskState"], when(task.get("CreateTime")), when(task.get("EndTime")))


def read_task_description(answer: Answer) -> TaskDescription:
    """Read the answer of ``DescribeTask``."""
    return TaskDescription(
        job_id=answer["JobId"],
        name=answer["TaskName"],
        state=answer["TaskState"],
        create_time=when(answer.get("CreateTime")),
        end_time=when(answer.get("EndTime")),
        total_count=whole(answer, "TaskInstanceTotalCount") or 0,
        instances=tuple(read_instance_view(view) for view in answer.get("TaskInstanceSet") or ()),
        instance_counts=counts(answer, "TaskInstanceMetrics"),
        raw=answer,
    )


def read_instance_view(view: Answer) -> InstanceView:
    """Read an entry of ``TaskInstanceSet``."""
    return InstanceView(
        index=int(view["TaskInstanceIndex"]),
        state=view["TaskInstanceState"],
        exit_code=whole(view, "ExitCode"),
        state_reason=text(view, "StateReason"),
        state_detailed_reason=text(view, "StateDetailedReason"),
        compute_node_instance_id=text(view, "ComputeNodeInstanceId"),
        create_time=when(view.get("CreateTime")),
        launch_time=when(view.get("LaunchTime")),
        running_time=when(view.get("RunningTime")),
        end_time=when(view.get("EndTime")),
        raw=view,
    )


def read_instance_log(log: Answer) -> InstanceLog:
    """Read an entry of ``TaskInstanceLogSet``."""
    return InstanceLog(
        index=int(log["TaskInstanceIndex"]),
        stdout=decoded_log(log.get("StdoutLog")),
        stderr=decoded_log(log.get("StderrLog")),
        stdout_path=text(log, "StdoutRedirectPath") + text(log, "StdoutRedirectFileName"),
        stderr_path=text(log, "StderrRedirectPath") + text(log, "StderrRedirectFileName"),
    )


def read_compute_env(env: Answer) -> ComputeEnv:
    """Read the answer of ``DescribeComputeEnv``, or an entry of ``ComputeEnvSet``."""
    return ComputeEnv(
        env_id=env["EnvId"],
        name=text(env, "EnvName"),
        desired_node_count=whole(env, "DesiredComputeNodeCount") or 0,
        next_action=text(env, "NextAction"),
        create_time=when(env.get("CreateTime")),
        node_counts=counts(env, "ComputeNodeMetrics"),
        nodes=tuple(
            ComputeNode(node["ComputeNodeId"], text(node, "ComputeNodeInstanceId"), node["ComputeNodeState"], node)
            for node in env.get("ComputeNodeSet") or ()
        ),
        raw=env,
    )


def read_activity(activity: Answer) -> Activity:
    """Read an entry of ``ActivitySet``."""
    return Activity(
        activity_id=activity["ActivityId"],
        node_id=text(activity, "ComputeNodeId"),
        kind=text(activity, "ComputeNodeActivityType"),
        state=activity["ActivityState"],
        cause=text(activity, "Cause"),
        state_reason=text(activity, "StateReason"),
        start_time=when(activity.get("StartTime")),
        end_time=when(activity.get("EndTime")),
        raw=activity,
    )
