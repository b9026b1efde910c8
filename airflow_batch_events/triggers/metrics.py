# SPDX-License-Identifier: Apache-2.0
"""The consumer's counts and measurements as Airflow's stats; their names are in ``dispatch/metrics.py``."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk.observability import stats

PREFIX = "tencent_batch."


class AirflowMetrics:
    """Hand everything to Airflow's stats, which drop it unless a backend is configured."""

    def count(self, name: str, amount: int = 1, **tags: str) -> None:
        """Add to a counter."""
        stats.incr(PREFIX + name, amount, tags=tags)

    def time(self, name: str, seconds: float) -> None:
        """Take one duration."""
        stats.timing(PREFIX + name, timedelta(seconds=seconds))

    def level(self, name: str, value: float) -> None:
        """Set a gauge."""
        stats.gauge(PREFIX + name, value)
