# SPDX-License-Identifier: Apache-2.0
"""The same DAG twice: many deferred tasks that wait for Batch jobs, and many that wait for a local event."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, dag, task
from benchmarks.cloud import QUEUE
from benchmarks.gate import GateTrigger

from airflow_batch_events.sensors.batch import BatchJobSensor

MANY = 2_000


class GateSensor(BaseOperator):
    """Defer until a file is there."""

    template_fields = ("file",)

    def __init__(self, *, file: str, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = file
        self.number = number

    def execute(self, context: Any) -> None:
        self.defer(trigger=GateTrigger(self.file), method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        return event


@dag(schedule=None, params={"job_ids": []}, max_active_tasks=MANY)
def bench_jobs():
    @task
    def jobs(params: dict) -> list[str]:
        return params["job_ids"]

    BatchJobSensor.partial(task_id="wait", queue_name=QUEUE, deferrable=True, timeout=1800).expand(job_id=jobs())


@dag(schedule=None, params={"file": "/nowhere", "tasks": 1}, max_active_tasks=MANY)
def bench_gate():
    @task
    def numbers(params: dict) -> list[int]:
        return list(range(params["tasks"]))

    GateSensor.partial(task_id="wait", file="{{ params.file }}").expand(number=numbers())


bench_jobs()
bench_gate()
