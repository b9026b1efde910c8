# SPDX-License-Identifier: Apache-2.0
"""
Airflow's stats, for the processes that run tasks and triggers: ``incr``, ``gauge`` and ``timing``.

Source: ``sdk/observability/stats.py``. Since: 3.2; before, they are methods of ``airflow.stats.Stats``. It can go when
3.1 is not supported.
"""

from __future__ import annotations

from airflow.sdk.observability import stats

__all__ = ["stats"]
