# SPDX-License-Identifier: Apache-2.0
"""
What this Airflow can do, found by looking for it.

The rule that must not be relaxed: nobody asks for a version. A version says nothing about a back-port or a fork, and
the name of an ability says at the place where it is asked for why there are two ways.

Each is found when it is first asked for, because some are found only in modules that a DAG file must not pay for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

HAS_STATE_STORE: bool
"""Whether a task can keep state that later tries see. Since: 3.3 (``sdk/bases/resumablejobmixin.py``)."""

HAS_SHARED_STREAMS: bool
"""Whether event triggers can share one reader and are told what is stored. Since: 3.3."""

HAS_TRIGGER_ON_KILL: bool
"""Whether a trigger is told that a user has ended its task. Since: 3.3 (``triggers/base.py``, line 204)."""

HAS_START_FROM_TRIGGER: bool
"""
Whether a task can begin in the triggerer, with its templates rendered there.

Since: 3.3. Before, the scheduler does not do it (``models/dagrun.py`` of 3.2, line 2014).
"""

HAS_EARLY_MAP_INDEX: bool
"""
Whether a mapped task that has a ``map_index_template`` is named by it as soon as a worker begins it.

Since: 3.2 (``sdk/execution_time/task_runner.py``, line 1151). Before, it is named when it ends on a worker.
"""

HAS_PROVIDER_COMMANDS: bool
"""Whether Airflow's command line has what providers bring. Since: 3.2 (``providers_manager.py``, line 1193)."""

HAS_TASK_SPANS: bool
"""Whether Airflow opens a span for each run of a task and for each trigger. Since: 3.2 (``sdk/observability``)."""


def _has_module(name: str) -> Callable[[], bool]:
    return lambda: find_spec(name) is not None


def _triggers_have(method: str) -> Callable[[], bool]:
    def probe() -> bool:
        # The module brings Airflow's server side.
        from airflow.triggers.base import BaseTrigger

        return hasattr(BaseTrigger, method)

    return probe


def _tasks_can_send(message: str) -> Callable[[], bool]:
    def probe() -> bool:
        # The module brings what runs tasks.
        from airflow.sdk.execution_time import comms

        return hasattr(comms, message)

    return probe


def _providers_bring(what: str) -> Callable[[], bool]:
    def probe() -> bool:
        # The module brings Airflow's server side.
        from airflow.providers_manager import ProvidersManager

        return hasattr(ProvidersManager, what)

    return probe


_PROBES = {
    "HAS_STATE_STORE": _has_module("airflow.sdk.bases.resumablejobmixin"),
    "HAS_SHARED_STREAMS": _has_module("airflow.triggers.shared_stream"),
    "HAS_TRIGGER_ON_KILL": _triggers_have("on_kill"),
    "HAS_START_FROM_TRIGGER": _triggers_have("render_template_fields"),
    "HAS_EARLY_MAP_INDEX": _tasks_can_send("SetRenderedMapIndex"),
    "HAS_PROVIDER_COMMANDS": _providers_bring("cli_command_functions"),
    "HAS_TASK_SPANS": _has_module("airflow.sdk.observability"),
}


def __getattr__(name: str) -> bool:
    if name not in _PROBES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = _PROBES[name]()
    return found
