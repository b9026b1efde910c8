# SPDX-License-Identifier: Apache-2.0
"""
Build the ``Job`` of a simple case, one task whose instances run one command, without nested dictionaries.

What comes out is the API's own dictionary, so whatever is missing here can be added to it. Only what the API is
documented to refuse is refused here, and earlier: where the DAG is written. A text that still holds a Jinja template is
left alone, because what it will say is not known yet; where a number belongs, the operator reads it as a number once
it is rendered.

Sources: API page 599/15907 (Job, Task, Application), 599/15908 (FailedAction).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, get_args

from airflow_batch_events.events.values import is_list, kind_of, whole_of
from airflow_batch_events.limits import (
    MAX_CONCURRENT_INSTANCES,
    MAX_INSTANCE_TYPES,
    MAX_JOB_DESCRIPTION,
    MAX_JOB_NAME,
    MAX_PRIORITY,
    MAX_TAGS,
    MAX_TASK_RETRIES,
)

FailedAction = Literal["TERMINATE", "INTERRUPT", "FAST_INTERRUPT"]

_ONE_OF = (
    ("InstanceType", "InstanceTypes", "InstanceTypeOptions"),
    ("VirtualPrivateCloud", "VirtualPrivateClouds", "Zones"),
)
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+", re.DOTALL)
_LOCAL = re.compile(r"/|[A-Za-z]:[\\/]")


def build_job(
    name: str,
    command: str,
    *,
    image: str | None = None,
    instance_type: str | Sequence[str] | None = None,
    env_id: str | None = None,
    instances: int | str = 1,
    env_vars: Mapping[str, Any] | None = None,
    input_mappings: Mapping[str, str] | None = None,
    output_mappings: Mapping[str, str] | None = None,
    retries: int | str = 0,
    timeout: int | str | timedelta | None = None,
    failed_action: FailedAction | None = None,
    docker_image: str | None = None,
    package_path: str | None = None,
    log_path: str | None = None,
    max_concurrent: int | str | None = None,
    env_data: Mapping[str, Any] | None = None,
    task_name: str = "main",
    description: str | None = None,
    priority: int | str | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """
    Build the API's ``Job`` object for one task.

    :param name: The job's name, at most 60 characters.
    :param command: The shell command that every instance runs.
    :param image: The id of the servers' image, for example ``img-eb30mz89``; not a container image.
    :param instance_type: The servers' type, for example ``S5.MEDIUM2``, or up to 10 of them to be tried in order.
    :param env_id: Instead of the two above, the compute environment whose nodes run the instances.
    :param instances: How many instances run the command; each finds its number, from 0, in the environment variable
        ``BATCH_TASK_INSTANCE_INDEX``. This, as every number here, may be text: digits, or a template.
    :param env_vars: Environment variables of the command.
    :param input_mappings: What is mounted before the command runs: storage path (``cos://...``) to local path.
    :param output_mappings: What is kept after it: local path to storage path.
    :param retries: How often an instance that failed is run again, 0 to 5.
    :param timeout: Seconds that an instance may run, or a ``timedelta``; the API's default is a day.
    :param failed_action: What happens to a server whose instance failed: ``TERMINATE``, or ``INTERRUPT`` or
        ``FAST_INTERRUPT`` to keep it, at its cost.
    :param docker_image: The container that the command runs in.
    :param package_path: A ``.tgz`` in storage that is unpacked where the command runs.
    :param log_path: The storage path that the whole output goes to.
    :param max_concurrent: How many instances may run at once, up to 200,000; by default all.
    :param env_data: Further fields of the API's ``EnvData``: disks, network, spot prices.
    :param task_name: The name of the task.
    :param description: At most 200 characters.
    :param priority: 0 to 100, larger first.
    :param tags: At most 10.
    :return: For ``BatchSubmitJobOperator(job=...)``.
    :raises ValueError: Naming the parameter, what it is and what is allowed.
    """
    task: dict[str, Any] = {
        "TaskName": _text("task_name", task_name, MAX_JOB_NAME),
        "TaskInstanceNum": _whole("instances", instances, 1, None),
        "Application": _application(command, docker_image, package_path),
        **_place(image, instance_type, env_id, env_data),
        "MaxRetryCount": _whole("retries", retries, 0, MAX_TASK_RETRIES),
    }
    if timeout is not None:
        task["Timeout"] = _whole("timeout", _seconds(timeout), 1, None)
    if failed_action is not None:
        task["FailedAction"] = _failed_action(failed_action)
    if max_concurrent is not None:
        task["MaxConcurrentNum"] = _whole("max_concurrent", max_concurrent, 1, MAX_CONCURRENT_INSTANCES)
    if env_vars:
        task["EnvVars"] = _pairs("env_vars", env_vars, "Name")
    if input_mappings:
        task["InputMappings"] = [
            {
                "SourcePath": _remote("a source in input_mappings", source),
                "DestinationPath": _local("a destination in input_mappings", destination),
            }
            for source, destination in _mapping("input_mappings", input_mappings).items()
        ]
    if output_mappings:
        task["OutputMappings"] = [
            {
                "SourcePath": _local("a source in output_mappings", source),
                "DestinationPath": _remote("a destination in output_mappings", destination),
            }
            for source, destination in _mapping("output_mappings", output_mappings).items()
        ]
    if log_path is not None:
        path = _remote("log_path", log_path)
        task["RedirectInfo"] = {"StdoutRedirectPath": path, "StderrRedirectPath": path}

    job: dict[str, Any] = {"JobName": _text("name", name, MAX_JOB_NAME), "Tasks": [task]}
    if description is not None:
        job["JobDescription"] = _text("description", description, MAX_JOB_DESCRIPTION)
    if priority is not None:
        job["Priority"] = _whole("priority", priority, 0, MAX_PRIORITY)
    if tags:
        job["Tags"] = _pairs("tags", tags, "Key")
        if len(tags) > MAX_TAGS:
            raise ValueError(f"tags has {len(tags)} entries; a job has at most {MAX_TAGS}")
    return job


def _application(command: str, docker_image: str | None, package_path: str | None) -> dict[str, Any]:
    application: dict[str, Any] = {"DeliveryForm": "LOCAL", "Command": _text("command", command, None)}
    if package_path is not None:
        application |= {"DeliveryForm": "PACKAGE", "PackagePath": _remote("package_path", package_path)}
    if docker_image is not None:
        application["Docker"] = {"Image": _text("docker_image", docker_image, None)}
    return application


def _place(
    image: str | None,
    instance_type: str | Sequence[str] | None,
    env_id: str | None,
    env_data: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if env_id is not None:
        if image is not None or instance_type is not None or env_data is not None:
            raise ValueError(
                "env_id and a server of its own (image, instance_type, env_data) are both set: the nodes of a compute "
                "environment have their image and type already"
            )
        return {"EnvId": _text("env_id", env_id, None)}
    if instance_type is None and not env_data:
        raise ValueError("where shall the job run? Set instance_type (and image), or the env_id of an environment")
    data: dict[str, Any] = {}
    if isinstance(instance_type, str):
        data["InstanceType"] = _text("instance_type", instance_type, None)
    elif instance_type is not None:
        data["InstanceTypes"] = _instance_types(instance_type)
    if image is not None:
        if not _has_template(_text("image", image, None)) and not image.startswith("img-"):
            raise ValueError(
                f"image is {image!r}, must be the id of a server image such as img-eb30mz89; the image of a container "
                f"goes into docker_image"
            )
        data["ImageId"] = image
    further = _mapping("env_data", env_data or {})
    twice = sorted(set(data) & set(further))
    if twice:
        raise ValueError(f"env_data repeats what a parameter of its own says: {', '.join(twice)}")
    data.update(further)
    for group in _ONE_OF:
        given = [name for name in group if name in data]
        if len(given) > 1:
            raise ValueError(f"a server has at most one of {', '.join(group)}, not {' and '.join(given)}")
    return {"ComputeEnv": {"EnvType": "MANAGED", "EnvData": data}}


def _instance_types(names: Sequence[str]) -> list[str]:
    if not is_list(names):
        raise ValueError(f"instance_type is {kind_of(names)}, must be a type or a list of them")
    found = [_text("an entry of instance_type", name, None) for name in names]
    if not 1 <= len(found) <= MAX_INSTANCE_TYPES or len(set(found)) < len(found):
        raise ValueError(f"instance_type is {found!r}, must be 1 to {MAX_INSTANCE_TYPES} different types")
    return found


def _failed_action(action: str) -> str:
    allowed = get_args(FailedAction)
    if not _has_template(_text("failed_action", action, None)) and action not in allowed:
        raise ValueError(f"failed_action is {action!r}, must be one of {', '.join(allowed)}")
    return action


def _seconds(timeout: object) -> object:
    return int(timeout.total_seconds()) if isinstance(timeout, timedelta) else timeout


def _mapping(parameter: str, value: object) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{parameter} is {kind_of(value)}, must be a mapping")
    return dict(value)


def _pairs(parameter: str, values: Mapping[str, Any], key: str) -> list[dict[str, str]]:
    for name, value in _mapping(parameter, values).items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} has the name {name!r}, must be a text that is not empty")
        if value is None:
            raise ValueError(f"{parameter}[{name!r}] is None: leave it out, or give it a value")
    return [{key: name, "Value": str(value)} for name, value in values.items()]


def _whole(parameter: str, value: object, least: int, most: int | None) -> int | str:
    if isinstance(value, str) and _has_template(value):
        return value
    return whole_of(parameter, value, least=least, most=most)


def _text(parameter: str, value: object, most: int | None) -> str:
    if not isinstance(value, str) or not value.strip():
        shown = repr(value) if isinstance(value, str) else kind_of(value)
        raise ValueError(f"{parameter} is {shown}, must be a text that is not empty")
    if most is not None and len(value) > most and not _has_template(value):
        raise ValueError(f"{parameter} has {len(value)} characters, at most {most} are allowed")
    return value


def _remote(parameter: str, path: object) -> str:
    text = _text(parameter, path, None)
    if not _has_template(text) and not _REMOTE.match(text):
        raise ValueError(
            f"{parameter} is {text!r}, must be a storage path such as cos://bucket.cos.region.host/folder/"
        )
    return text


def _local(parameter: str, path: object) -> str:
    text = _text(parameter, path, None)
    if not _has_template(text) and not _LOCAL.match(text):
        raise ValueError(f"{parameter} is {text!r}, must be an absolute path on the server such as /data/in/")
    return text


def _has_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def build_ladder(job: Mapping[str, Any], machines: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    Return a job once for each machine, for tries that each take the next one.

    :param job: The API's ``Job`` object; its tasks have a ``ComputeEnv``, not an ``EnvId``.
    :param machines: For each try a type of server, for example ``S5.LARGE8``, or fields of the API's ``EnvData`` that
        take the place of those that the job has, for example ``{"InstanceChargeType": "POSTPAID_BY_HOUR"}``; None takes
        a field away. ``Zone`` among them is where the machine is, instead of the zone of the task's ``placement``; a
        ``VirtualPrivateCloud`` belongs to one zone, and has to go with it.
    :return: For ``BatchSubmitJobOperator(job=...)``.
    :raises ValueError: When there is no machine, or the job describes no servers.
    """
    if isinstance(machines, str) or not machines:
        raise ValueError("machines must be a list of at least one type of server, or of fields of EnvData")
    return [_rung(job, {"InstanceType": one} if isinstance(one, str) else dict(one)) for one in machines]


def _rung(job: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    zone = fields.pop("Zone", None)
    described = {**job, "Tasks": [_on(task, fields) for task in job["Tasks"]]}
    return described if zone is None else {"Job": described, "Placement": {"Zone": _text("Zone", zone, None)}}


def _on(task: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    env = task.get("ComputeEnv")
    if not isinstance(env, Mapping):
        raise ValueError(
            f"task {task.get('TaskName')!r} has no ComputeEnv, so its machine cannot be chosen: a compute environment "
            f"has its own nodes"
        )
    given = {name for name, value in fields.items() if value is not None}
    # Of fields that exclude each other the new one counts.
    excluded = {name for group in _ONE_OF if given & set(group) for name in group if name not in given}
    kept = {name: value for name, value in env.get("EnvData", {}).items() if name not in excluded}
    data = {name: value for name, value in {**kept, **fields}.items() if value is not None}
    return {**task, "ComputeEnv": {**env, "EnvData": data}}
