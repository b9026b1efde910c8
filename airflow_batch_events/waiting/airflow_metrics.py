# SPDX-License-Identifier: Apache-2.0
"""The consumer's counts and measurements as Airflow's stats; their names are in ``dispatch/metrics.py``."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow_batch_events.airflow_compat.stats import stats, team_of
from airflow_batch_events.dispatch.metrics import IsolatedMetrics
from airflow_batch_events.events.outcome import Outcome

PREFIX = "tencent_batch."


class AirflowMetrics:
    """
    Hand everything to Airflow's stats, which drop it unless a backend is configured.

    Triggerers share names, so the machine is a tag, as it is of Airflow's own ``triggers.running``.

    :param tags: What tells these counts and measurements from others of the same machine.
    """

    def __init__(self, **tags: str) -> None:
        self._tags = {"hostname": socket.gethostname(), **tags}

    def count(self, name: str, amount: int = 1, **tags: str) -> None:
        """Add to a counter."""
        stats.incr(PREFIX + name, amount, tags={**self._tags, **tags})

    def time(self, name: str, seconds: float) -> None:
        """Take one duration."""
        stats.timing(PREFIX + name, timedelta(seconds=seconds), tags=self._tags)

    def level(self, name: str, value: float) -> None:
        """Set a gauge."""
        stats.gauge(PREFIX + name, value, tags=self._tags)


def task_tags(task_instance: Any, team: str | None = None) -> dict[str, str]:
    """
    Return what tells the measurements of a task from others.

    :param task_instance: The task's instance, as a worker or a trigger has it.
    :param team: The task's team, where the instance does not have it.
    """
    team = team or team_of(task_instance)
    own = {"dag_id": task_instance.dag_id, "task_id": task_instance.task_id}
    return {**own, **({"team_name": team} if team else {})}


def count_ends(outcomes: Sequence[Outcome], task_instance: Any, team: str | None = None) -> None:
    """
    Count and measure how jobs ended, where their task ends; an error costs a measurement and nothing else.

    :param outcomes: With what is known of each.
    :param task_instance: The task's instance, as a worker or a trigger has it.
    :param team: The task's team, where the instance does not have it.
    """
    metrics = IsolatedMetrics(AirflowMetrics(**task_tags(task_instance, team)))
    for outcome in outcomes:
        cause = {} if outcome.failure is None else {"cause": outcome.failure.cause}
        metrics.count("jobs.ended", 1, state=outcome.state, **cause)
        if outcome.instances is not None:
            metrics.count("jobs.instances", outcome.instances)
        if outcome.queued_seconds is not None:
            metrics.time("jobs.queued", outcome.queued_seconds)
        if outcome.running_seconds is not None:
            metrics.time("jobs.running", outcome.running_seconds)
