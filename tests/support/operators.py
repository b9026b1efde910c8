# SPDX-License-Identifier: Apache-2.0
"""The operators and sensors that users import, the parameters that they take, and values for those without default."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_origin

from airflow.sdk import BaseOperator

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.get_provider_info import get_provider_info

PLACEMENT = {"Zone": "ap-guangzhou-6"}
JOB = build_job("j", "scripted: duration=0", image="img-eb30mz89", instance_type="S5.MEDIUM2")

REQUIRED: dict[str, Any] = {
    "job": JOB,
    "jobs": [JOB],
    "placement": PLACEMENT,
    "compute_env": {"EnvName": "e", "DesiredComputeNodeCount": 1},
    "job_id": "job-1",
    "env_id": "env-1",
    "topic_name": "t",
    "queue_name": "q",
    "on_succeeded": "a",
    "on_failed": "b",
}
"""Values for the parameters without default, by name."""


def public_operators() -> list[type[BaseOperator]]:
    """Return the operators and sensors of the modules that the provider lists; its bases do nothing by themselves."""
    info = get_provider_info()
    modules = [
        module for kind in ("operators", "sensors") for entry in info[kind] for module in entry["python-modules"]
    ]
    found = {
        item: None
        for module in modules
        for item in vars(importlib.import_module(module)).values()
        # Python 3.10 takes the name of a generic type for a class.
        if isinstance(item, type)
        and get_origin(item) is None
        and issubclass(item, BaseOperator)
        and "execute" in vars(item)
    }
    return [item for item in found if item.__module__.startswith("airflow_batch_")]


def our_classes(operator: type[BaseOperator]) -> list[type[BaseOperator]]:
    """Return an operator and those of its bases that are ours and take parameters, the operator first."""
    return [one for one in operator.__mro__ if one.__module__.startswith("airflow_batch_") and "__init__" in vars(one)]


def parameters_of(operator: type[BaseOperator]) -> dict[str, inspect.Parameter]:
    """Return the parameters that an operator and its bases take, by name."""
    found: dict[str, Any] = {}
    for one in our_classes(operator):
        for name, parameter in inspect.signature(one.__init__).parameters.items():
            if name not in ("self", "kwargs"):
                found.setdefault(name, parameter)
    return found


def required_by(operator: type[BaseOperator]) -> dict[str, Any]:
    """Return values for the parameters of an operator that have no default."""
    return {name: REQUIRED[name] for name, one in parameters_of(operator).items() if one.default is one.empty}
