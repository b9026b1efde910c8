# SPDX-License-Identifier: Apache-2.0
"""One task that waits for a Batch job, and one whose trigger waits for nothing."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, dag

from airflow_batch_events.sensors.batch import BatchJobSensor
from devtools.benchmarks.cloud import QUEUE
from devtools.benchmarks.idle import IdleTrigger


class IdleSensor(BaseOperator):
    """Defer without end."""

    template_fields = ("folder", "conn_id")

    def __init__(self, *, folder: str, conn_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.conn_id = conn_id

    def execute(self, context: Any) -> None:
        self.defer(trigger=IdleTrigger(self.folder, self.conn_id or None), method_name="execute_complete")


@dag(schedule=None, params={"folder": "/a/folder", "conn_id": ""})
def wait_for_nothing() -> None:
    IdleSensor(task_id="wait", folder="{{ params.folder }}", conn_id="{{ params.conn_id }}")


@dag(schedule=None, params={"job_id": "job-1", "conn_id": "tencentcloud_default"})
def wait_for_job() -> None:
    BatchJobSensor(
        task_id="wait",
        job_id="{{ params.job_id }}",
        queue_name=QUEUE,
        tencentcloud_conn_id="{{ params.conn_id }}",
        deferrable=True,
        timeout=1800,
    )


wait_for_nothing()
wait_for_job()
