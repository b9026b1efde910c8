# SPDX-License-Identifier: Apache-2.0
"""
Airflow's stats, for the processes that run tasks and triggers: ``incr``, ``gauge`` and ``timing``; and a task's team.

Source: ``sdk/observability/stats.py``. Since: functions 3.3; they are methods of a class there in 3.2, and of
``airflow.stats.Stats`` in 3.1. It can go when 3.2 is not supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

stats: Any
try:
    from airflow.sdk.observability import stats
except ImportError:
    from airflow.stats import Stats as stats
if not hasattr(stats, "incr"):
    stats = stats.Stats

__all__ = ["stats", "team_of", "team_of_running_task"]


def team_of(task_instance: object) -> str | None:
    """
    Return the team of a task, by which Airflow tags its own metrics of tasks; None where there is none.

    Only a worker knows it: the task instances of triggers do not have it.

    Source: ``sdk/execution_time/task_runner.py``, ``stats_tags``. Since: 3.3. It can go when that is in every supported
    version.
    """
    tags = getattr(task_instance, "stats_tags", None)
    team = tags.get("team_name") if isinstance(tags, Mapping) else None
    return team if isinstance(team, str) and team else None


def team_of_running_task() -> str | None:
    """Return the team of the task that this process runs, as :func:`team_of` does."""
    from airflow.sdk import get_current_context

    try:
        return team_of(get_current_context().get("ti"))
    except Exception:  # noqa: BLE001 - there is no such task, and a tag is not worth an error
        return None
