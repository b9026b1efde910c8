# SPDX-License-Identifier: Apache-2.0
"""
Tasks that begin or end in the triggerer: what Airflow would silently get wrong there.

All of it would be noticed in production only, so ``waiting/trigger_start.py`` refuses it while the DAG is parsed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.triggers.base import StartTriggerArgs

log = logging.getLogger(__name__)

STARTS_SINCE = "3.3"
"""The first Airflow that has ``abilities.HAS_START_FROM_TRIGGER``, for messages."""

_RESUMING = ("execute_complete", "resume_execution", "post_execute")
"""The methods by which a task ends on a worker."""

_KNOWN_ENDS = ("airflow.sdk.", "airflow_batch_events.")
"""Where these methods do nothing that an end in the triggerer would leave out."""

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


def left_out_of_success(task: Any, *, begins_here: bool = False) -> list[str]:
    """
    Return what of a task has no effect when it ends well in the triggerer, by the names that a user knows.

    Source: ``models/trigger.py``, lines 640 to 712; ``sdk/execution_time/task_runner.py``, lines 901 (the DAG's
    result), 1599 (the name of a mapped instance), 2236 (``post_execute``) and 2338 (the callback). Since: before 3.1.
    It can go when the end there has all the effects of an end on a worker.

    :param task: The operator, or what the triggerer has of it.
    :param begins_here: Whether no worker begins the task.
    """
    names = ["outlets", "on_success_callback"]
    found = [name for name in names if getattr(task, name, None) or getattr(task, f"has_{name}", False)]
    methods = {name: getattr(getattr(type(task), name, None), "__module__", None) for name in _RESUMING}
    # A subclass may do there what nothing else shows.
    own = [name for name, module in methods.items() if module and not module.startswith(_KNOWN_ENDS)]
    if getattr(task, "_post_execute_hook", None) is not None:
        own.append("post_execute")
    found += dict.fromkeys(own)
    if getattr(task, "returns_dag_result", False):
        found.append("the result of the DAG")
    if getattr(task, "map_index_template", None) and (begins_here or not abilities.HAS_EARLY_MAP_INDEX):
        found.append("map_index_template")
    return found


def deployment_needs_worker() -> list[str]:
    """
    Return what this deployment does at the successful end of a task on a worker only, or should not do elsewhere.

    A listener is told of the end by the task's process alone (OpenLineage is one); a trace's span is written, and the
    task's state is cleared, when that process reports its success; for XComs see
    :func:`~airflow_batch_events.airflow_compat.xcom.stores_elsewhere`. To be called where Airflow runs: on a worker,
    which has loaded its plugins, or in a thread of the triggerer.

    Source: ``sdk/execution_time/task_runner.py``, line 2340 (listeners; 1857 in 3.2, 1635 in 3.1);
    ``api_fastapi/execution_api/routes/task_instances.py``, lines 511 (state) and 677 (span). ``models/trigger.py``,
    lines 640 to 712, does none of it. Since: before 3.1. It can go when the end in the triggerer does all of it.
    """
    try:
        return _found_in_deployment()
    except Exception:
        # Plugins and settings are the deployment's, and Airflow itself may run on without them.
        log.warning("Cannot find out what this deployment does at the end of a task", exc_info=True)
        return ["a plugin or a setting that cannot be read"]


def _found_in_deployment() -> list[str]:
    # The module brings what runs tasks.
    from airflow_batch_events.airflow_compat.xcom import stores_elsewhere

    found = ["[core] xcom_backend"] if stores_elsewhere() else []
    listeners = _listener_manager().hook.on_task_instance_success.get_hookimpls()
    # Airflow loads the plugins of its examples wherever it loads the examples; they do nothing but print.
    if any(not listener.plugin_name.startswith("airflow.example_dags.") for listener in listeners):
        found.append("a listener")
    if conf.getboolean("state_store", "clear_on_success", fallback=False):
        found.append("[state_store] clear_on_success")
    if conf.getboolean("traces", "otel_on", fallback=False):
        found.append("[traces] otel_on")
    return found


def _listener_manager() -> Any:
    # The modules bring Airflow's plugins.
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    return get_listener_manager()


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
