# SPDX-License-Identifier: Apache-2.0
"""
What a submitted job, task or environment must look like, each rule with the error code that the API documents for it.

A request is checked completely before anything is stored, so a refused call leaves no trace.

Sources:

- jobs and their tasks: https://cloud.tencent.com/document/product/599/15907
- compute environments: https://cloud.tencent.com/document/product/599/15891
- error codes: https://www.tencentcloud.com/document/product/599/30483
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch.ids import check_id
from tencent_batch_emulator.services.batch.jobs.states import DEPEND_ON, FAILED_ACTIONS
from tencent_batch_emulator.services.batch.schema import (
    Dependence,
    EnvData,
    EnvSpec,
    InputMapping,
    JobSpec,
    MountDataDisk,
    Notification,
    OutputMapping,
    Placement,
    TaskSpec,
)
from tencent_batch_emulator.services.batch.vocabulary import COMPUTE_ENV_EVENTS, JOB_EVENTS, EventName, find_event_name
from tencent_batch_emulator.services.tc3_schema import Tag, at_most

NAME_LENGTH = 60
DESCRIPTION_LENGTH = 200
TOPIC_NAME_LENGTH = 64
MAX_TAGS = 10
MAX_INSTANCE_TYPES = 10
MAX_TASK_INSTANCES = 200_000
MAX_RETRIES = 5
MAX_RESOURCE_RETRIES = 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_TOPIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_ZONE = re.compile(r"([a-z]{2,}(?:-[a-z]+)+)-([0-9]+)")
_INSTANCE_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*(?:\.[A-Z0-9]+)?")
_REMOTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_LOCAL = re.compile(r"/|[A-Za-z]:[\\/]")
_REMOTE_SCHEMES = ("cos", "cfs", "ofs")


def check_token(client_token: str | None) -> None:
    """Check an idempotency key."""
    if client_token is not None and (len(client_token) > 64 or not client_token.isascii()):
        raise ApiError("InvalidParameterValue", "ClientToken has more than 64 characters, or not only ASCII.")


def check_job(job: JobSpec) -> None:
    """Check everything about a job that needs no other object."""
    length("InvalidParameter.JobNameTooLong", "JobName", job.job_name, NAME_LENGTH)
    length("InvalidParameter.JobDescriptionTooLong", "JobDescription", job.job_description, DESCRIPTION_LENGTH)
    _range(job.priority, "Priority", 100)
    one_of(job.task_execution_depend_on, "TaskExecutionDependOn", DEPEND_ON)
    one_of(job.state_if_create_cvm_failed, "StateIfCreateCvmFailed", ("FAILED", "RUNNABLE"))
    check_tags(job.tags)
    check_notifications(job.notifications, job.notification_target, JOB_EVENTS)
    if not job.tasks:
        raise ApiError("InvalidParameterValue", "Job.Tasks is empty; a job needs at least one task.")
    for number, task in enumerate(job.tasks):
        if task.task_name is None:
            task.task_name = f"task-{number}"
        check_task(task)
    names = [task.task_name or "" for task in job.tasks]
    if twice := _first_twice(names):
        raise ApiError("InvalidParameter.TaskName", f"The task name {twice!r} is used twice in the job.")
    check_dependences(names, job.dependences or [])


def check_task(task: TaskSpec) -> None:
    """Check one task of a job or of a template."""
    if task.task_name is not None:
        check_task_name(task.task_name)
    if (task.env_id is None) == (task.compute_env is None):
        raise ApiError(
            "AllowedOneAttributeInEnvIdAndComputeEnv",
            f"Task {task.task_name!r} must have exactly one of EnvId and ComputeEnv.",
        )
    if task.env_id is not None:
        check_id("Env", task.env_id)
    if not 1 <= task.task_instance_num <= MAX_TASK_INSTANCES:
        raise ApiError(
            "InvalidParameterValue.TaskInstanceNum",
            f"TaskInstanceNum={task.task_instance_num} is not in 1-{MAX_TASK_INSTANCES}.",
        )
    _retries(task.max_retry_count, "MaxRetryCount", MAX_RETRIES)
    _retries(task.resource_max_retry_count, "ResourceMaxRetryCount", MAX_RESOURCE_RETRIES)
    _range(task.timeout, "Timeout", None)
    if task.timeout == 0:
        raise ApiError("InvalidParameterValue", "Timeout=0 leaves no time to run; leave it out for 86400 seconds.")
    _range(task.max_concurrent_num or 0, "MaxConcurrentNum", MAX_TASK_INSTANCES)
    one_of(task.failed_action, "FailedAction", FAILED_ACTIONS)
    _check_application(task)
    if task.compute_env is not None:
        one_of(task.compute_env.env_type, "EnvType", ("MANAGED",))
        check_env_data(task.compute_env.env_data, "InvalidParameter.CvmParameters")
        _check_disks(task.compute_env.mount_data_disks)
    if (redirect := task.redirect_info) is not None:
        _remote(redirect.stdout_redirect_path, "StdoutRedirectPath")
        _remote(redirect.stderr_redirect_path, "StderrRedirectPath")
    if (local := task.redirect_local_info) is not None:
        _local(local.stdout_local_path, "StdoutLocalPath")
        _local(local.stderr_local_path, "StderrLocalPath")
    _check_mappings(task.input_mappings, task.output_mappings)


def check_env(env: EnvSpec) -> None:
    """Check everything about a compute environment that needs no other object."""
    check_env_texts(env.env_name, env.env_description)
    one_of(env.env_type, "EnvType", ("MANAGED", "THPC_QUEUE"))
    one_of(env.action_if_compute_node_inactive, "ActionIfComputeNodeInactive", ("RECREATE", "RETAIN"))
    _retries(env.resource_max_retry_count, "ResourceMaxRetryCount", MAX_RESOURCE_RETRIES)
    if env.env_data is None:
        raise ApiError("InvalidParameterValue.ComputeEnv", "ComputeEnv.EnvData is required for a managed environment.")
    check_env_data(env.env_data, "InvalidParameterValue.InstanceType")
    check_tags(env.tags)
    check_notifications(env.notifications, env.notification_target, COMPUTE_ENV_EVENTS)
    _check_disks(env.mount_data_disks)
    _check_mappings(env.input_mappings, None)


def check_env_texts(name: str | None, description: str | None) -> None:
    """Check an environment's name and description."""
    if name == "":
        raise ApiError("InvalidParameterValue", "EnvName is empty.")
    length("InvalidParameter.EnvNameTooLong", "EnvName", name, NAME_LENGTH)
    length("InvalidParameter.EnvDescriptionTooLong", "EnvDescription", description, DESCRIPTION_LENGTH)


def check_placement(placement: Placement, region: str) -> None:
    """Check the zone that a job or an environment is placed in."""
    check_zone(placement.zone, region)


def check_zone(zone: str, region: str) -> None:
    """Check that a zone exists (they are numbered from 1 to 9 here) and lies in the region."""
    found = _ZONE.fullmatch(zone)
    if found is None:
        raise ApiError("InvalidZone.MismatchRegion", f"There is no zone {zone!r}; a zone looks like {region}-6.")
    if found[1] != region:
        raise ApiError("InvalidParameterValue.InvalidZoneMismatchRegion", f"Zone {zone} is not in region {region}.")
    if not 1 <= int(found[2]) <= 9:
        raise ApiError("InvalidParameterValue.UnavailableZone", f"Zone {zone} is not available; use {region}-1 to -9.")


def check_env_data(data: EnvData | None, bad_type: str) -> None:
    """
    Check what nodes are made of.

    :param bad_type: The code for an instance type of the wrong shape; jobs and environments differ.
    """
    if data is None:
        return
    _only_one(data.instance_type, data.instance_types, data.instance_type_options, "InstanceType*")
    _only_one(data.virtual_private_cloud, data.virtual_private_clouds, data.zones, "VirtualPrivateCloud(s) and Zones")
    check_instance_types(data.types, bad_type)
    if data.image_id is not None:
        check_id("Image", data.image_id)
    one_of(data.instance_charge_type, "InstanceChargeType", (None, "POSTPAID_BY_HOUR", "SPOTPAID"))
    if data.instance_market_options is not None:
        price = data.instance_market_options.spot_options.max_price
        try:
            if float(price) < 0:
                raise ApiError("InvalidParameterValue.Negative", f"MaxPrice={price} is negative.")
        except ValueError:
            raise ApiError("InvalidParameterValue.NotFloat", f"MaxPrice={price!r} is not a number.") from None
    for disk in [data.system_disk or {}, *(data.data_disks or [])]:
        size = disk.get("DiskSize", 0)
        if not str(size).isdigit():
            raise ApiError("InvalidParameter.CvmParameters", f"DiskSize={size!r} is not a number of GiB.")


def check_instance_types(types: Sequence[str], bad_type: str) -> None:
    """Check a list of instance types that are tried in order."""
    at_most(len(types), "InstanceTypes", MAX_INSTANCE_TYPES)
    if twice := _first_twice(types):
        raise ApiError("InvalidParameterValue.InstanceTypeDuplicate", f"The instance type {twice!r} is named twice.")
    for name in types:
        if not _INSTANCE_TYPE.fullmatch(name):
            raise ApiError(bad_type, f"The instance type {name!r} does not exist; one looks like S5.MEDIUM4.")


def check_tags(tags: Sequence[Tag] | None) -> None:
    """Check the number of tags and that no key is used twice."""
    at_most(len(tags or []), "Tags", MAX_TAGS)
    if twice := _first_twice(tag.key for tag in tags or []):
        raise ApiError("InvalidParameterValue", f"The tag key {twice!r} is used twice.")


def check_notifications(
    notifications: Sequence[Notification] | None, target: str, allowed: Collection[EventName]
) -> None:
    """Check topics and events, and turn the guide's spelling of an event (``JobFailed``) into the API's."""
    one_of(target, "NotificationTarget", ("CMQ", "TDMQ_CMQ"))
    for notification in notifications or []:
        topic = notification.topic_name
        length("InvalidParameter.NotificationTopicNameTooLong", "TopicName", topic, TOPIC_NAME_LENGTH)
        if not _TOPIC_NAME.fullmatch(topic):
            raise ApiError(
                "InvalidParameter.NotificationTopicName",
                f"TopicName={topic!r} must start with a letter and go on with letters, digits, '-' and '_'.",
            )
        if not notification.event_configs:
            raise ApiError("InvalidParameterValue", f"The notification for topic {topic!r} names no event.")
        for config in notification.event_configs:
            name = find_event_name(config.event_name)
            if name is None or name not in allowed:
                raise ApiError(
                    "InvalidParameterValue",
                    f"The event {config.event_name!r} is not offered here; offered are {', '.join(allowed)}.",
                )
            config.event_name = name.value
        if twice := _first_twice(config.event_name for config in notification.event_configs):
            raise ApiError(
                "InvalidParameter.NotificationEventNameDuplicate", f"{twice} is named twice for topic {topic!r}."
            )


def check_dependences(names: Collection[str], dependences: Sequence[Dependence]) -> None:
    """Check that dependences name tasks of the job and do not go in a circle."""
    graph: TopologicalSorter[str] = TopologicalSorter()
    for dependence in dependences:
        for name in (dependence.start_task, dependence.end_task):
            if name not in names:
                raise ApiError(
                    "InvalidParameterValue.DependenceNotFoundTaskName",
                    f"A dependence names the task {name!r}; the job has {', '.join(names)}.",
                )
        graph.add(dependence.end_task, dependence.start_task)
    try:
        graph.prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise ApiError("InvalidParameterValue.DependenceUnfeasible", f"Tasks wait for each other: {circle}.") from None


def check_task_name(name: str) -> None:
    """Check the name of a task, which is also the name of a directory."""
    length("InvalidParameter.TaskNameTooLong", "TaskName", name, NAME_LENGTH)
    if not _NAME.fullmatch(name):
        raise ApiError("InvalidParameter.TaskName", f"TaskName={name!r} has more than letters, digits, '-' and '_'.")


def check_template_texts(name: str | None, description: str | None) -> None:
    """Check a task template's name and description."""
    length("InvalidParameter.TaskTemplateNameTooLong", "TaskTemplateName", name, NAME_LENGTH)
    if name is not None and not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidParameter.TaskTemplateName", f"TaskTemplateName={name!r} has more than letters, digits, '-', '_'."
        )
    field = "TaskTemplateDescription"
    length("InvalidParameter.TaskTemplateDescriptionTooLong", field, description, DESCRIPTION_LENGTH)


def one_of(value: str | None, field: str, allowed: Collection[str | None]) -> None:
    """Refuse a value outside a closed set."""
    if value not in allowed:
        names = ", ".join(name for name in allowed if name is not None)
        raise ApiError("InvalidParameterValue", f"{field}={value!r} is not one of {names}.")


def length(code: str, field: str, text: str | None, maximum: int) -> None:
    """Refuse a text that is too long."""
    if text is not None and len(text) > maximum:
        raise ApiError(code, f"{field} has {len(text)} characters; at most {maximum}.")


def _check_application(task: TaskSpec) -> None:
    application = task.application
    one_of(application.delivery_form, "DeliveryForm", ("LOCAL", "PACKAGE"))
    if (application.command is None) == (not application.commands):
        raise ApiError(
            "InvalidParameter.InvalidParameterCombination",
            f"The application of task {task.task_name!r} must have exactly one of Command and Commands.",
        )
    if application.delivery_form == "PACKAGE":
        if application.package_path is None:
            raise ApiError("MissingParameter", "PackagePath is required when DeliveryForm is PACKAGE.")
        _remote(application.package_path, "PackagePath")


def _check_mappings(inputs: Sequence[InputMapping] | None, outputs: Sequence[OutputMapping] | None) -> None:
    for source in inputs or []:
        _remote(source.source_path, "InputMappings.SourcePath")
        _local(source.destination_path, "InputMappings.DestinationPath")
    for target in outputs or []:
        _local(target.source_path, "OutputMappings.SourcePath")
        _remote(target.destination_path, "OutputMappings.DestinationPath")


def _check_disks(disks: Sequence[MountDataDisk] | None) -> None:
    for disk in disks or []:
        _local(disk.local_path, "MountDataDisks.LocalPath")
        one_of(disk.file_system_type, "FileSystemType", ("EXT3", "EXT4", "NTFS"))


def _remote(path: str | None, field: str) -> None:
    if path is None:
        return
    found = _REMOTE.fullmatch(path)
    if found is None or not found[2]:
        raise ApiError(
            "InvalidParameterValue.RemoteStoragePath", f"{field}={path!r} is not a path like cos://bucket/path/."
        )
    if found[1].lower() not in _REMOTE_SCHEMES:
        raise ApiError(
            "InvalidParameterValue.RemoteStorageSchemeType",
            f"{field}={path!r} must start with one of {', '.join(f'{scheme}://' for scheme in _REMOTE_SCHEMES)}.",
        )


def _local(path: str | None, field: str) -> None:
    if path is not None and not _LOCAL.match(path):
        raise ApiError("InvalidParameterValue.LocalPath", f"{field}={path!r} is not an absolute path.")


def _range(value: int, field: str, maximum: int | None) -> None:
    if value < 0:
        raise ApiError("InvalidParameterValue.Negative", f"{field}={value} is negative.")
    if maximum is not None and value > maximum:
        raise ApiError("InvalidParameterValue", f"{field}={value} is larger than {maximum}.")


def _retries(value: int, field: str, maximum: int) -> None:
    if value > maximum:
        raise ApiError("InvalidParameterValue.MaxRetryCount", f"{field}={value} is larger than {maximum}.")
    _range(value, field, None)


def _only_one(first: object, second: object, third: object, fields: str) -> None:
    if sum(value is not None for value in (first, second, third)) > 1:
        raise ApiError("InvalidParameter.InvalidParameterCombination", f"Only one of {fields} may be given.")


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
