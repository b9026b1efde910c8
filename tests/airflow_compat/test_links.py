# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.airflow_compat.links import keep_links
from airflow_batch_events.operators.batch import BatchTerminateJobOperator


def test_kept_links_are_not_written_again_by_airflow() -> None:
    task, other = (BatchTerminateJobOperator(task_id=name, job_id="job-1") for name in ("t", "o"))
    keep_links(task)
    assert list(task.operator_extra_links) == []
    assert list(other.operator_extra_links) != []
