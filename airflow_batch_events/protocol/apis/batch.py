# SPDX-License-Identifier: Apache-2.0
"""
The Batch API's actions as functions that build requests.

Pure: nothing here sends anything. Job descriptions are the API's own dictionaries and go out untouched. A write is
marked as repeatable only when a repeat changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.limits import MAX_CLIENT_TOKEN, MAX_IDS, MAX_LOGS
from airflow_batch_events.protocol.apis.batch_answers import (
    Activity,
    Answer,
    ComputeEnv,
    ComputeNode,
    InstanceLog,
    InstanceView,
    JobDescription,
    JobStates,
    JobView,
    TaskDescription,
    TaskLogs,
    TaskView,
    read_activity,
    read_compute_env,
    read_compute_env_with_nodes,
    read_instance_log,
    read_job_description,
    read_job_states,
    read_job_view,
    read_task_description,
    read_task_logs,
)
from airflow_batch_events.protocol.apis.fields import about, entries, identifier, readable
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.apis.tagged_answers import TaggedPage, read_tagged_page

__all__ = [
    "Activity",
    "ComputeEnv",
    "ComputeNode",
    "InstanceLog",
    "InstanceView",
    "JobDescription",
    "JobStates",
    "JobView",
    "TaskDescription",
    "TaskLogs",
    "TaskView",
    "create_compute_env",
    "delete_compute_env",
    "delete_job",
    "describe_compute_env",
    "describe_compute_env_activities",
    "describe_compute_envs",
    "describe_first_task_logs",
    "describe_job",
    "describe_job_states",
    "describe_job_submit_info",
    "describe_jobs",
    "describe_tagged_compute_envs",
    "describe_tagged_jobs",
    "describe_task",
    "describe_task_logs",
    "modify_compute_env",
    "retry_jobs",
    "submit_job",
    "terminate_job",
    "terminate_task_instance",
]

T = TypeVar("T")
Filters = Mapping[str, Sequence[str]]


# Jobs.


def submit_job(job: Mapping[str, Any], placement: Mapping[str, Any], client_token: str | None = None) -> Request[str]:
    """
    Submit a job; the answer is its id.

    :param job: The API's ``Job`` object.
    :param placement: The API's ``Placement`` object, ``{"Zone": ...}``.
    :param client_token: Makes repeated calls submit one job; at most 64 ASCII characters.
    """
    params = {"Job": dict(job), "Placement": dict(placement), **_token(client_token)}
    return _request("SubmitJob", params, _made("JobId"), repeatable=client_token is not None)


def describe_job(job_id: str) -> Request[JobDescription]:
    """Describe one job."""
    return _read("DescribeJob", {"JobId": job_id}, about("JobId", job_id, read_job_description))


def describe_job_states(job_ids: Sequence[str]) -> Request[JobStates]:
    """
    Read the states of jobs.

    :param job_ids: 1 to 100 jobs; one that cannot be an id makes the API refuse all of them.
    """
    if not job_ids:
        raise ValueError("describe_job_states needs a job id: without, the API lists any jobs")
    params = {**_ids("JobIds", job_ids), "Offset": 0, "Limit": MAX_IDS}
    return _read("DescribeJobs", params, lambda answer: read_job_states(job_ids, answer))


def describe_jobs(
    job_ids: Sequence[str] = (), *, filters: Filters | None = None, offset: int = 0
) -> Request[list[JobView]]:
    """
    List up to 100 jobs.

    :param job_ids: These jobs, at most 100; ids that the API does not know do not appear in the answer.
    :param filters: Jobs that match instead, for example ``{"job-state": ["FAILED"]}``. With neither, any jobs.
    :param offset: Jobs to leave out.
    """
    params = {**_ids("JobIds", job_ids), **_filters(filters), "Offset": offset, "Limit": MAX_IDS}
    return _read("DescribeJobs", params, entries("JobSet", read_job_view))


def describe_tagged_jobs(tags: Mapping[str, str], *, offset: int = 0) -> Request[TaggedPage]:
    """
    List up to 100 jobs by their tags.

    :param tags: The tags, all of which must match.
    :param offset: Jobs to leave out.
    """
    return _read_tagged("DescribeJobs", "JobSet", "JobId", tags, offset)


def describe_job_submit_info(job_id: str) -> Request[Answer]:
    """Return how a job was submitted, in the API's own form; notifications are not in it."""
    return _read("DescribeJobSubmitInfo", {"JobId": job_id}, dict)


def describe_task(
    job_id: str, task_name: str, *, states: Sequence[str] | None = None, offset: int = 0, limit: int = 100
) -> Request[TaskDescription]:
    """
    Describe a task with a page of its instances.

    :param states: Only instances in these states.
    :param offset: Instances to leave out.
    :param limit: Instances to return, at most 1,000.
    """
    params = {
        "JobId": job_id,
        "TaskName": task_name,
        "Offset": offset,
        "Limit": limit,
        **_filters({"task-instance-state": states} if states else None),
    }
    read = about("JobId", job_id, about("TaskName", task_name, read_task_description))
    return _read("DescribeTask", params, read)


def describe_task_logs(job_id: str, task_name: str, indexes: Sequence[int]) -> Request[list[InstanceLog]]:
    """
    Read what task instances wrote.

    :param indexes: At most 10 instances; those without output may be missing from the answer.
    """
    if len(indexes) > MAX_LOGS:
        raise ValueError(f"DescribeTaskLogs takes {MAX_LOGS} instances a call, not {len(indexes)}")
    params = {"JobId": job_id, "TaskName": task_name, "TaskInstanceIndexes": list(indexes), "Limit": MAX_LOGS}
    return _read(
        "DescribeTaskLogs", params, lambda answer: list(readable(answer.get("TaskInstanceLogSet"), read_instance_log))
    )


def describe_first_task_logs(job_id: str, task_name: str) -> Request[TaskLogs]:
    """Read what the first ten instances of a task wrote; those without output may be missing from the answer."""
    params = {"JobId": job_id, "TaskName": task_name, "Offset": 0, "Limit": MAX_LOGS}
    return _read("DescribeTaskLogs", params, read_task_logs)


def terminate_job(job_id: str) -> Request[None]:
    """End a job: refused while SUBMITTED, without effect once it has ended, and slow: the answer does not wait."""
    return _write("TerminateJob", {"JobId": job_id}, repeatable=True)


def terminate_task_instance(job_id: str, task_name: str, index: int) -> Request[None]:
    """End one task instance, and the machine it runs on."""
    params = {"JobId": job_id, "TaskName": task_name, "TaskInstanceIndex": index}
    return _write("TerminateTaskInstance", params, repeatable=True)


def retry_jobs(job_ids: Sequence[str]) -> Request[None]:
    """Run the failed instances of FAILED jobs again; at most 100 jobs."""
    return _write("RetryJobs", _ids("JobIds", job_ids))


def delete_job(job_id: str) -> Request[None]:
    """Delete a job whose instances have all ended; nothing about it can be read afterwards."""
    return _write("DeleteJob", {"JobId": job_id})


# Compute environments.


def create_compute_env(
    compute_env: Mapping[str, Any], placement: Mapping[str, Any], client_token: str | None = None
) -> Request[str]:
    """
    Create a compute environment; the answer is its id.

    :param compute_env: The API's ``NamedComputeEnv`` object.
    :param placement: The API's ``Placement`` object.
    :param client_token: Makes repeated calls create one environment; at most 64 ASCII characters.
    """
    params = {"ComputeEnv": dict(compute_env), "Placement": dict(placement), **_token(client_token)}
    return _request("CreateComputeEnv", params, _made("EnvId"), repeatable=client_token is not None)


def modify_compute_env(
    env_id: str,
    *,
    desired_node_count: int | None = None,
    name: str | None = None,
    description: str | None = None,
    env_data: Mapping[str, Any] | None = None,
) -> Request[None]:
    """
    Change a compute environment; None leaves a field as it is.

    :param desired_node_count: At most 2,000.
    :param env_data: ``{"InstanceTypes": [...]}``.
    """
    given = {
        "DesiredComputeNodeCount": desired_node_count,
        "EnvName": name,
        "EnvDescription": description,
        "EnvData": None if env_data is None else dict(env_data),
    }
    params = {"EnvId": env_id, **{key: value for key, value in given.items() if value is not None}}
    return _write("ModifyComputeEnv", params, repeatable=True)


def delete_compute_env(env_id: str) -> Request[None]:
    """Delete a compute environment; refused while it has nodes."""
    return _write("DeleteComputeEnv", {"EnvId": env_id})


def describe_compute_env(env_id: str) -> Request[ComputeEnv]:
    """Describe one compute environment with its nodes."""
    return _read("DescribeComputeEnv", {"EnvId": env_id}, about("EnvId", env_id, read_compute_env_with_nodes))


def describe_compute_envs(
    env_ids: Sequence[str] = (), *, filters: Filters | None = None, offset: int = 0
) -> Request[list[ComputeEnv]]:
    """
    List up to 100 compute environments, without their nodes.

    :param env_ids: These environments; ids that the API does not know do not appear in the answer.
    :param filters: Environments that match instead, for example ``{"env-name": ["render"]}``. With neither, any.
    """
    params = {**_ids("EnvIds", env_ids), **_filters(filters), "Offset": offset, "Limit": MAX_IDS}
    return _read("DescribeComputeEnvs", params, entries("ComputeEnvSet", read_compute_env))


def describe_tagged_compute_envs(tags: Mapping[str, str], *, offset: int = 0) -> Request[TaggedPage]:
    """
    List up to 100 compute environments by their tags.

    :param tags: The tags, all of which must match.
    :param offset: Environments to leave out.
    """
    return _read_tagged("DescribeComputeEnvs", "ComputeEnvSet", "EnvId", tags, offset)


def describe_compute_env_activities(
    env_id: str, *, node_id: str | None = None, offset: int = 0, limit: int = MAX_IDS
) -> Request[list[Activity]]:
    """
    List what a compute environment did to its nodes.

    :param node_id: Only to this node.
    :param limit: At most 100.
    """
    params: dict[str, Any] = {"EnvId": env_id, "Offset": offset, "Limit": limit}
    if node_id is not None:
        # Here, and only here, the API takes one filter instead of a list of them.
        params["Filters"] = {"Name": "compute-node-id", "Values": [node_id]}
    return _read(
        "DescribeComputeEnvActivities", params, lambda answer: list(readable(answer.get("ActivitySet"), read_activity))
    )


# Building.


def _request(action: str, params: dict[str, Any], parse: Callable[[Answer], T], *, repeatable: bool) -> Request[T]:
    return Request("batch", action, params, parse, repeatable)


def _read(action: str, params: dict[str, Any], parse: Callable[[Answer], T]) -> Request[T]:
    return _request(action, params, parse, repeatable=True)


def _read_tagged(action: str, set_name: str, id_name: str, tags: Mapping[str, str], offset: int) -> Request[TaggedPage]:
    if not tags:
        raise ValueError(f"{action} needs a tag: without, the API lists anything")
    params = {**_filters({f"tag:{key}": [value] for key, value in tags.items()}), "Offset": offset, "Limit": MAX_IDS}
    return _read(action, params, lambda answer: read_tagged_page(set_name, id_name, tags, answer))


def _write(action: str, params: dict[str, Any], *, repeatable: bool = False) -> Request[None]:
    return _request(action, params, lambda _: None, repeatable=repeatable)


def _made(name: str) -> Callable[[Answer], str]:
    return lambda answer: identifier(answer, name)


def _ids(name: str, ids: Sequence[str]) -> dict[str, list[str]]:
    if isinstance(ids, str):
        raise TypeError(f"{name} takes a list of ids, not the string {ids!r}")
    if len(ids) > MAX_IDS:
        raise ValueError(f"{name} takes {MAX_IDS} ids a call, not {len(ids)}")
    return {name: list(ids)} if ids else {}


def _filters(filters: Filters | None) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": list(values)} for name, values in filters.items()]} if filters else {}


def _token(client_token: str | None) -> dict[str, str]:
    if client_token is None:
        return {}
    if not (0 < len(client_token) <= MAX_CLIENT_TOKEN and client_token.isascii()):
        raise ConfigurationError(
            f"the client token {client_token!r} must have 1 to {MAX_CLIENT_TOKEN} ASCII characters"
        )
    return {"ClientToken": client_token}
