# SPDX-License-Identifier: Apache-2.0
"""The consumer's counts and measurements as Airflow's stats; their names are in ``dispatch/metrics.py``."""

from __future__ import annotations

import socket
from datetime import timedelta

from airflow_batch_events.airflow_compat.stats import stats

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
