# SPDX-License-Identifier: Apache-2.0
"""
The Batch API's answers as values.

States pass through as the API spells them, unknown ones included; ``raw`` keeps what has no field here. Only
what identifies an object and its state has to be there: a missing time or reason costs nothing else, and an entry of a
list that cannot be read costs only itself. What contradicts itself is no answer, because "could not read" is not "is
not there".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import field
from pendulum import DateTime

from airflow_batch_events.protocol.apis.fields import View, counts, decoded_log, readable, state, text, whole
from airflow_batch_events.times import parse_time

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


class JobStates(View, frozen=True):
    """
    What an answer says about the jobs that were asked for.

    :param states: By job id, as the API spells them; those that could be read.
    :param is_complete: Whether a job that is not among them is one that the API does not know. If not, nothing is known
        about it: the answer contradicts itself, lacks something, or something in it could not be read.
    :param is_consistent: Whether nothing in the answer contradicts anything else; it may still lack its count.
    """

    states: dict[str, str]
    is_complete: bool
    is_consistent: bool = True

    def unread(self, job_ids: Sequence[str]) -> list[str]:
        """Return those of the jobs about which nothing is known."""
        return [] if self.is_complete else [job_id for job_id in job_ids if job_id not in self.states]


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


class TaskLogs(View, frozen=True):
    """
    A page of what the instances of a task wrote.

    :param total_count: Instances of the task, on all pages.
    """

    total_count: int
    logs: tuple[InstanceLog, ...] = ()


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
        state=state(view, "JobState"),
        name=text(view, "JobName"),
        create_time=parse_time(view.get("CreateTime")),
        end_time=parse_time(view.get("EndTime")),
        raw=view,
    )


def read_job_states(asked: Sequence[str], answer: Answer) -> JobStates:
    """
    Read the answer of ``DescribeJobs`` about jobs that were asked for by id.

    :param asked: The ids.
    :param answer: The answer, whatever is in it.
    """
    job_set, count = answer.get("JobSet"), answer.get("TotalCount")
    entries_given = job_set if isinstance(job_set, list) else []
    has_count = isinstance(count, int) and not isinstance(count, bool)
    # A list of nothing may be written as null; a list that is not there is something else.
    has_list = isinstance(job_set, list) or (job_set is None and "JobSet" in answer)
    is_consistent = has_list and (count is None or (has_count and count == len(entries_given)))
    wanted = set(asked)
    states: dict[str, str] = {}
    contradictory: set[str] = set()
    for entry in entries_given:
        job_id, job_state = (entry.get("JobId"), entry.get("JobState")) if isinstance(entry, dict) else (None, None)
        if not isinstance(job_id, str) or job_id not in wanted or not isinstance(job_state, str) or not job_state:
            is_consistent = False
        elif states.setdefault(job_id, job_state) != job_state:
            contradictory.add(job_id)
    for job_id in contradictory:
        del states[job_id]
    is_consistent = is_consistent and len(states) == len(entries_given)
    return JobStates(states, is_consistent and has_count, is_consistent)


def read_job_description(answer: Answer) -> JobDescription:
    """Read the answer of ``DescribeJob``."""
    return JobDescription(
        job_id=answer["JobId"],
        state=state(answer, "JobState"),
        name=text(answer, "JobName"),
        create_time=parse_time(answer.get("CreateTime")),
        end_time=parse_time(answer.get("EndTime")),
        state_reason=text(answer, "StateReason"),
        next_action=text(answer, "NextAction"),
        tasks=readable(answer.get("TaskSet"), read_task_view),
        dependences=readable(answer.get("DependenceSet"), lambda pair: (pair["StartTask"], pair["EndTask"])),
        task_counts=counts(answer, "TaskMetrics"),
        instance_counts=counts(answer, "TaskInstanceMetrics"),
        raw=answer,
    )


def read_task_view(task: Answer) -> TaskView:
    """Read an entry of ``TaskSet``."""
    return TaskView(
        task["TaskName"], state(task, "TaskState"), parse_time(task.get("CreateTime")), parse_time(task.get("EndTime"))
    )


def read_task_description(answer: Answer) -> TaskDescription:
    """Read the answer of ``DescribeTask``."""
    return TaskDescription(
        job_id=answer["JobId"],
        name=answer["TaskName"],
        state=state(answer, "TaskState"),
        create_time=parse_time(answer.get("CreateTime")),
        end_time=parse_time(answer.get("EndTime")),
        total_count=whole(answer, "TaskInstanceTotalCount") or 0,
        instances=readable(answer.get("TaskInstanceSet"), read_instance_view),
        instance_counts=counts(answer, "TaskInstanceMetrics"),
        raw=answer,
    )


def read_instance_view(view: Answer) -> InstanceView:
    """Read an entry of ``TaskInstanceSet``."""
    return InstanceView(
        index=int(view["TaskInstanceIndex"]),
        state=state(view, "TaskInstanceState"),
        exit_code=whole(view, "ExitCode"),
        state_reason=text(view, "StateReason"),
        state_detailed_reason=text(view, "StateDetailedReason"),
        compute_node_instance_id=text(view, "ComputeNodeInstanceId"),
        create_time=parse_time(view.get("CreateTime")),
        launch_time=parse_time(view.get("LaunchTime")),
        running_time=parse_time(view.get("RunningTime")),
        end_time=parse_time(view.get("EndTime")),
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


def read_task_logs(answer: Answer) -> TaskLogs:
    """Read the answer of ``DescribeTaskLogs``."""
    return TaskLogs(whole(answer, "TotalCount") or 0, readable(answer.get("TaskInstanceLogSet"), read_instance_log))


def read_compute_env_with_nodes(env: Answer) -> ComputeEnv:
    """
    Read the answer of ``DescribeComputeEnv``.

    :raises ValueError: When it shows no nodes but does not say that there are none, shows one twice, or does not say
        how many it is meant to have: then it could be taken for ready, or for empty.
    """
    if not env.get("ComputeNodeSet"):
        metrics = env.get("ComputeNodeMetrics")
        says_none = isinstance(env.get("ComputeNodeSet"), list) or isinstance(metrics, dict)
        if not says_none or any(count > 0 for count in counts(env, "ComputeNodeMetrics").values()):
            raise ValueError("it shows no nodes and does not say that there are none")
    if whole(env, "DesiredComputeNodeCount") is None:
        raise ValueError("it does not say how many nodes it is meant to have")
    view = read_compute_env(env)
    ids = [node.node_id for node in view.nodes if node.node_id]
    if len(set(ids)) < len(ids):
        raise ValueError("it shows a node twice")
    return view


def read_compute_env(env: Answer) -> ComputeEnv:
    """Read an entry of ``ComputeEnvSet``; a node that cannot be read is one whose id or state is empty."""
    return ComputeEnv(
        env_id=env["EnvId"],
        name=text(env, "EnvName"),
        desired_node_count=whole(env, "DesiredComputeNodeCount") or 0,
        next_action=text(env, "NextAction"),
        create_time=parse_time(env.get("CreateTime")),
        node_counts=counts(env, "ComputeNodeMetrics"),
        nodes=tuple(map(_read_compute_node, env.get("ComputeNodeSet") or ())),
        raw=env,
    )


def _read_compute_node(node: object) -> ComputeNode:
    fields = node if isinstance(node, dict) else {}
    return ComputeNode(
        text(fields, "ComputeNodeId"), text(fields, "ComputeNodeInstanceId"), text(fields, "ComputeNodeState"), fields
    )


def read_activity(activity: Answer) -> Activity:
    """Read an entry of ``ActivitySet``."""
    return Activity(
        activity_id=activity["ActivityId"],
        node_id=text(activity, "ComputeNodeId"),
        kind=text(activity, "ComputeNodeActivityType"),
        state=text(activity, "ActivityState"),
        cause=text(activity, "Cause"),
        state_reason=text(activity, "StateReason"),
        start_time=parse_time(activity.get("StartTime")),
        end_time=parse_time(activity.get("EndTime")),
        raw=activity,
    )
