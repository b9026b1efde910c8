# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

from airflow_batch_events.airflow_compat.stats import stats


def test_without_a_backend_metrics_are_dropped() -> None:
    stats.incr("tencent_batch.polls", 2, tags={"queue": "q"})
    stats.gauge("tencent_batch.waits", 1.0, tags={"queue": "q"})
    stats.timing("tencent_batch.lag.event", timedelta(seconds=1), tags={"queue": "q"})
