# SPDX-License-Identifier: Apache-2.0
"""
Airflow's stats, for the processes that run tasks and triggers: ``incr``, ``gauge`` and ``timing``.

Source: ``sdk/observability/stats.py``. Since: functions 3.3; they are methods of a class there in 3.2, and of
``airflow.stats.Stats`` in 3.1. It can go when 3.2 is not supported.
"""

from __future__ import annotations

from typing import Any

stats: Any
try:
    from airflow.sdk.observability import stats
except ImportError:
    from airflow.stats import Stats as stats
if not hasattr(stats, "incr"):
    stats = stats.Stats

__all__ = ["stats"]
