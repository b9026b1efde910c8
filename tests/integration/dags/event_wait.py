# SPDX-License-Identifier: Apache-2.0
"""A task that waits for the ends of two jobs on its own queue."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_batch_events.sensors.batch import BatchEventSensor


@dag(schedule=None)
def event_wait() -> None:
    BatchEventSensor(task_id="wait", queue_name="airflow-batch-count", events="JOB_SUCCEED", count=2, timeout=900)


event_wait()
