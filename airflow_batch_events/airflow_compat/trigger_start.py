# SPDX-License-Identifier: Apache-2.0
"""
Tasks that begin or end in the triggerer: what Airflow would silently get wrong there.

All of it would be noticed in production only, so ``waiting/trigger_start.py`` refuses it while the DAG is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.triggers.base import StartTriggerArgs

STARTS_SINCE = "3.3"
"""The first Airflow that has ``abilities.HAS_START_FROM_TRIGGER``, for messages."""

_PULL = re.compile(r"xcom_pull\s*\((?P<arguments>[^)]*)\)")


def endless_pulls(template: str) -> list[str]:
    """
    Return the arguments of each ``xcom_pull`` in a template that would never end in the triggerer.

    Without ``map_indexes`` it asks for a slice of a sequence, a question that the triggerer's supervisor does not know
    and never answers.

    Source: ``sdk/execution_time/lazy_sequence.py``, line 133; ``jobs/triggerer_job_runner.py``, which has no
    ``GetXComSequenceSlice``. Since: 3.3, which renders templates in the triggerer. It can go when the supervisor
    answers.

    :param template: What is rendered in the triggerer.
    """
    pulls = (pull["arguments"] for pull in _PULL.finditer(template))
    return [arguments for arguments in pulls if "map_indexes" not in arguments]


def left_out_at_end(task: BaseOperator) -> list[str]:
    """
    Return the parameters of a task that have no effect when it ends in the triggerer.

    Source: ``models/trigger.py``, lines 640 to 712, which submits callbacks for failures only and emits no asset
    events. Since: before 3.1. It can go when the end there has all the effects of an end on a worker.
    """
    return [name for name in ("outlets", "on_success_callback", "on_skipped_callback") if getattr(task, name, None)]


def left_out_at_start(task: BaseOperator) -> list[str]:
    """
    Return the parameters of a task that have no effect when it begins in the triggerer.

    Source: ``models/taskinstance.py``, line 1797, which runs nothing. Since: before 3.1. It can go when it runs the
    callback.
    """
    return ["on_execute_callback"] if task.on_execute_callback else []


def start_trigger_args(trigger: str, kwargs: Mapping[str, Any], timeout: float) -> StartTriggerArgs:
    """
    Return what the scheduler needs to defer a task.

    Airflow takes them as they are: an output of another task in them (XComArg) arrives in the triggerer unresolved, so
    they hold plain JSON and templates only.

    Source: ``models/taskinstance.py``, line 1808; ``triggers/base.py``, line 123, where the templates are rendered.
    Since: 3.3 for templates. It can go when the arguments are resolved as an operator's fields are.

    :param trigger: The trigger's class, as a path.
    :param kwargs: Its arguments; those that are template fields of the task are rendered in the triggerer.
    :param timeout: Seconds after which Airflow itself ends the wait.
    """
    # The module brings Airflow's server side, which a DAG file without such a task must not pay for.
    from airflow.triggers.base import StartTriggerArgs

    return StartTriggerArgs(
        trigger_cls=trigger,
        trigger_kwargs=dict(kwargs),
        next_method="execute_complete",
        next_kwargs=None,
        timeout=timedelta(seconds=timeout),
    )


def with_start_args(mapped: MappedOperator, values: Mapping[str, Any]) -> MappedOperator:
    """
    Let the instances of a mapped task begin in the triggerer, each with its own values.

    Airflow defers all of them with arguments that belong to the mapped task itself and has not expanded anything by
    then; so these must be templates that name the instance's map index.

    Source: ``serialization/definitions/mappedoperator.py``, line 495. Since: before 3.1. It can go when
    ``expand_start_trigger_args`` expands.

    :param mapped: The mapped task.
    :param values: Templates for the parameters that it is expanded with.
    """
    mapped.start_trigger_args = mapped.unmap(dict(values)).start_trigger_args
    return mapped
