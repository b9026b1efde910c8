# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from airflow_batch_events.airflow_compat.stats import stats, team_of, team_of_running_task


def test_without_a_backend_metrics_are_dropped() -> None:
    stats.incr("tencent_batch.polls", 2, tags={"queue": "q"})
    stats.gauge("tencent_batch.waits", 1.0, tags={"queue": "q"})
    stats.timing("tencent_batch.lag.event", timedelta(seconds=1), tags={"queue": "q"})


@pytest.mark.parametrize(
    ("instance", "team"),
    [
        (SimpleNamespace(stats_tags={"dag_id": "d", "team_name": "blue"}), "blue"),
        (SimpleNamespace(stats_tags={"dag_id": "d"}), None),
        (SimpleNamespace(), None),
        (None, None),
    ],
)
def test_a_task_has_a_team_where_airflow_says_so(instance: object, team: str | None) -> None:
    assert team_of(instance) == team


def test_a_process_without_a_task_has_no_team() -> None:
    assert team_of_running_task() is None


@pytest.mark.needs("HAS_STATE_STORE")
def test_airflow_tags_its_own_metrics_by_team_in_this_way() -> None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    assert isinstance(RuntimeTaskInstance.stats_tags, property)
