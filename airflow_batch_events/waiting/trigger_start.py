# SPDX-License-Identifier: Apache-2.0
"""
Begin and end a wait in the triggerer: what is possible, and the refusal of what is not while the DAG is parsed.

Airflow would not refuse it: ``airflow_compat/trigger_start.py`` says what it would do instead.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, XComArg

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.trigger_start import (
    STARTS_SINCE,
    deployment_needs_worker,
    endless_pulls,
    left_out_at_end,
    left_out_at_start,
    left_out_of_success,
    start_trigger_args,
)

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.triggers.base import StartTriggerArgs

    from airflow_batch_events.hooks.batch import BatchHook

DEFERRAL_MARGIN = 300.0
"""Seconds by which Airflow's own timeout of a deferral lies behind ours, which says what the wait knows."""

MAP_INDEX = "ti.map_index"
"""The template expression for the upstream task instance with the same map index."""


def needs_worker(task: Any, *, begins_here: bool = False) -> list[str]:
    """
    Return why a task that ends well must end on a worker: what would be left out in the triggerer.

    :param task: The operator, or what the triggerer has of it.
    :param begins_here: Whether no worker begins the task.
    """
    return [*left_out_of_success(task, begins_here=begins_here), *deployment_needs_worker()]


def end_in_trigger(
    end_from_trigger: bool | None, end: Mapping[str, Any], needs: Sequence[str] = ()
) -> dict[str, Any] | None:
    """
    Return how a trigger ends its task, for its argument ``end``; None where a worker ends it.

    :param end_from_trigger: The task's parameter. None ends a task in the triggerer when it ends well and needs no
        worker for that.
    :param end: How the task ends, as :class:`~airflow_batch_events.waiting.task_completion.TaskEnd` takes it.
    :param needs: What the task needs a worker for when it ends well.
    """
    if end_from_trigger is None:
        return None if needs else {**end, "success_only": True}
    return dict(end) if end_from_trigger else None


def refuse_callbacks(task: BaseOperator) -> None:
    """
    Refuse what Airflow leaves out when a task ends in the triggerer.

    :raises ValueError: Naming the parameters and the way out.
    """
    ignored = left_out_at_end(task)
    if ignored:
        raise ValueError(
            f"task {task.task_id!r}: end_from_trigger=True would leave out {' and '.join(ignored)}, because Airflow "
            f"runs them on a worker: take them away, or let the task end on a worker (end_from_trigger=False)"
        )


def refuse_start(task: BaseOperator) -> None:
    """
    Refuse a start in the triggerer where Airflow has none, and what Airflow leaves out there.

    :raises ValueError: Naming the parameter and the way out.
    """
    if not abilities.HAS_START_FROM_TRIGGER:
        raise ValueError(
            f"task {task.task_id!r}: start_from_trigger=True needs Airflow {STARTS_SINCE} or newer: leave it out, and "
            f"the wait begins on a worker, or upgrade Airflow"
        )
    if left_out_at_start(task):
        raise ValueError(
            f"task {task.task_id!r}: start_from_trigger=True would leave out on_execute_callback, because Airflow runs "
            f"it on a worker: take it away, or let the task start on a worker (start_from_trigger=False)"
        )


def as_template(task: BaseOperator, parameter: str, value: Any) -> Any:
    """
    Return a parameter in a form that can be rendered in the triggerer.

    :param task: The task that waits.
    :param parameter: The parameter's name, for messages.
    :param value: Text, a template, the output of another task, or a list of them.
    :raises ValueError: For what cannot be rendered there, with the way out.
    """
    if isinstance(value, XComArg):
        return _template_of(task, parameter, value)
    if isinstance(value, str):
        for arguments in endless_pulls(value):
            raise ValueError(
                f"task {task.task_id!r}: {parameter} pulls an XCom without map_indexes, which never ends in the "
                f"triggerer: write xcom_pull({arguments}, map_indexes=-1), or map_indexes=ti.map_index for a task of "
                f"the same mapped group"
            )
        return value
    if isinstance(value, Sequence):
        return [as_template(task, parameter, item) for item in value]
    if value is None:
        return None
    raise ValueError(f"task {task.task_id!r}: {parameter} must be text, a template or a task's output, not {value!r}")


def pull_template(task_id: str, key: str, map_index: str, item: str = "") -> str:
    """Return the template that pulls another task's XCom, or an item of it, in the triggerer."""
    return f"{{{{ ti.xcom_pull(task_ids={task_id!r}, key={key!r}, map_indexes={map_index}){item} }}}}"


def template_for_each(sensor: MappedOperator, output: XComArg) -> str:
    """
    Return the template by which each instance of a mapped sensor reads the job id of its own map index.

    :param sensor: The mapped sensor.
    :param output: The output of a mapped task that has pushed one id each, or of a task that has pushed a list.
    :raises ValueError: When the indices of the two tasks may differ, or when the output holds no job ids.
    """
    source, key = getattr(output, "operator", None), getattr(output, "key", None)
    where = f"task {sensor.task_id!r}"
    if source is None or key is None:
        raise ValueError(f"{where}: for_each takes a task, or its output, and no map(), zip() or concat() of it")
    if source.get_closest_mapped_task_group() is not None:
        raise ValueError(f"{where}: {source.task_id!r} is in a mapped group: wait for its job inside the group")
    kind = source.operator_class if source.is_mapped else type(source)
    settings = source.partial_kwargs if source.is_mapped else vars(source)
    if getattr(kind, "returns_outcomes", False) and settings.get("wait_for_completion", True):
        raise ValueError(
            f"{where}: {source.task_id!r} waits for its jobs itself and returns outcomes, not job ids: set its "
            f"wait_for_completion=False"
        )
    if not source.is_mapped:
        return pull_template(source.task_id, key, "-1", f"[{MAP_INDEX}]")
    if sensor.partial_kwargs.get("trigger_rule", "all_success") != "all_success":
        raise ValueError(
            f"{where}: for_each needs trigger_rule='all_success', because with instances of {source.task_id!r} that "
            f"have pushed nothing the map indices differ: use BatchJobSensor.partial(...).expand(job_id=...)"
        )
    return pull_template(source.task_id, key, MAP_INDEX)


def start_args(task: BaseOperator, kwargs: dict[str, Any], *, timeout: float) -> StartTriggerArgs:
    """
    Return what the scheduler needs to defer a task to a :class:`~airflow_batch_events.triggers.batch.BatchJobTrigger`.

    :param task: The task.
    :param kwargs: The trigger's arguments; those that are template fields of the task are rendered in the triggerer.
    :param timeout: Seconds that the wait may last.
    """
    return start_trigger_args(
        "airflow_batch_events.triggers.batch.BatchJobTrigger",
        {**kwargs, "timeout": shorter(timeout, task.execution_timeout), "begins_here": True},
        timeout + DEFERRAL_MARGIN,
    )


def shorter(timeout: float, execution_timeout: timedelta | None) -> float:
    """Return the seconds that a wait may last; Airflow's own timeout of the deferral lies behind them."""
    return timeout if execution_timeout is None else min(timeout, execution_timeout.total_seconds())


def deferral_timeout(timeout: float | None) -> timedelta | None:
    """
    Return the timeout to defer a task with, at which Airflow itself ends the wait.

    :param timeout: Seconds after which the trigger ends it; None waits without end.
    """
    return None if timeout is None else timedelta(seconds=timeout + DEFERRAL_MARGIN)


def deadline_of(seconds: float | None, hook: BatchHook) -> float | None:
    """
    Return the cloud's Unix time at which a wait that begins now is over.

    :param seconds: How long the wait may last; None waits without end.
    :param hook: What this task has asked the cloud with; None is returned while no answer has told the time.
    """
    now = hook.known_now()
    if seconds is None or now is None:
        return None
    # Too late costs some waiting after a restart of the triggerer; too early ends a wait.
    return max(now, time.time()) + seconds


def _template_of(task: BaseOperator, parameter: str, value: XComArg) -> str:
    source = getattr(value, "operator", None)
    key = getattr(value, "key", None)
    if source is None or key is None:
        raise ValueError(
            f"task {task.task_id!r}: start_from_trigger=True takes a task's output for {parameter}, but no "
            f"map(), zip() or concat() of it: use start_from_trigger=False"
        )
    if source.is_mapped:
        raise ValueError(
            f"task {task.task_id!r}: {source.task_id!r} is mapped, and its many outputs cannot be read in the "
            f"triggerer: wait for each with {type(task).__name__}.for_each(...), or use start_from_trigger=False"
        )
    group = source.get_closest_mapped_task_group()
    if group is not None and group is not task.get_closest_mapped_task_group():
        raise ValueError(
            f"task {task.task_id!r}: {source.task_id!r} is in the mapped group {group.group_id!r}, and its many "
            f"outputs cannot be read in the triggerer from outside: wait inside it, or use start_from_trigger=False"
        )
    return pull_template(source.task_id, key, "-1" if group is None else MAP_INDEX)
