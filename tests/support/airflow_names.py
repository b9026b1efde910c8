# SPDX-License-Identifier: Apache-2.0
"""
What tests use of Airflow and what is somewhere else, or not at all, in another version of it.

Tests take these names from here, as the package takes its own from ``airflow_compat``. Where a version has nothing of
the kind, the name is None, and what needs it is not run there; see ``pytest_ignore_collect`` in ``conftest.py``.
"""

# mypy: disable-error-code="assignment, attr-defined, import-not-found, list-item, no-redef"
# Each second import is of another version than the one that is checked.

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from airflow.jobs.triggerer_job_runner import messages
from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.stats import stats

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, DownstreamTasksSkipped, TaskDeferred
except ImportError:
    from airflow.exceptions import (
        AirflowRescheduleException,
        DownstreamTasksSkipped,
        TaskDeferred,
    )

try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

try:
    from airflow.serialization.encoders import encode_trigger
except ImportError:
    from airflow.serialization.serialized_objects import _encode_trigger as encode_trigger

try:
    from airflow.sdk.serde import deserialize, serialize
except ImportError:
    from airflow.serialization.serde import deserialize, serialize

try:
    from airflow.sdk.log import redact
except ImportError:
    from airflow.sdk._shared.secrets_masker import redact

try:
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
except ImportError:
    from airflow.metrics.base_stats_logger import NoStatsLogger

try:
    from airflow.sdk._shared.module_loading import import_string
except ImportError:
    from airflow.utils.module_loading import import_string

FORBIDDEN_XCOM_KEYS: Any
try:
    from airflow.sdk._shared.serialization import FORBIDDEN_XCOM_KEYS
except ImportError:
    FORBIDDEN_XCOM_KEYS = None

TriggerEventEntry: Any
try:
    from airflow.jobs.triggerer_job_runner import TriggerEventEntry
except ImportError:
    TriggerEventEntry = None

SharedStreamManager: Any
try:
    from airflow.triggers.shared_stream import SharedStreamManager
except ImportError:
    SharedStreamManager = None

__all__ = [
    "FORBIDDEN_XCOM_KEYS",
    "AirflowRescheduleException",
    "DagSerialization",
    "DownstreamTasksSkipped",
    "NoStatsLogger",
    "SharedStreamManager",
    "TaskDeferred",
    "deserialize",
    "encode_trigger",
    "import_string",
    "redact",
    "serialize",
    "state_changes",
    "use_stats",
]


def use_stats(factory: Callable[[], object]) -> None:
    """Let Airflow's stats of this process go to a backend."""
    if hasattr(stats, "initialize"):
        names = {"export_legacy_names": True} if "export_legacy_names" in signature(stats.initialize).parameters else {}
        stats.initialize(factory=factory, **names)
    else:
        type.__setattr__(stats, "instance", factory())


def state_changes(event: TriggerEvent) -> messages.TriggerStateChanges:
    """Return what a triggerer's runner sends to its supervisor when its trigger 1 has fired."""
    entry = (1, event) if TriggerEventEntry is None else TriggerEventEntry(1, event, None)
    return messages.TriggerStateChanges(events=[entry])
