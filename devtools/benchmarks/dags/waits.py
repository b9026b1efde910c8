# SPDX-License-Identifier: Apache-2.0
"""
The same DAGs twice: many deferred tasks that wait for Batch jobs, and many that wait for a local event.

Both are mapped over the same job ids, and both read them from a file, because Airflow hands the whole configuration of
a run to each of its tasks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, dag, task

from airflow_batch_events.sensors.batch import BatchJobSensor
from devtools.benchmarks.cloud import QUEUE
from devtools.benchmarks.gate import GateTrigger

MANY = 2_000
PARAMS = {"job_ids": "/a/file", "gate": "/another"}
SETTINGS: dict[str, Any] = {"task_id": "wait", "queue_name": QUEUE, "deferrable": True, "timeout": 1800}


class GateSensor(BaseOperator):
    """Defer until a file is there."""

    template_fields = ("file", "job_id")

    def __init__(self, *, file: str, job_id: str, end_from_trigger: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = file
        self.job_id = job_id
        self.end_from_trigger = end_from_trigger

    def execute(self, context: Any) -> None:
        self.defer(trigger=GateTrigger(self.file, self.end_from_trigger), method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        return event


@task
def jobs(params: dict[str, Any]) -> list[str]:
    return Path(params["job_ids"]).read_text().split()


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def jobs_resumed_on_workers() -> None:
    BatchJobSensor.partial(**SETTINGS, end_from_trigger=False).expand(job_id=jobs())


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def jobs_ended_in_the_triggerer() -> None:
    # As anybody would write it.
    BatchJobSensor.partial(**SETTINGS).expand(job_id=jobs())


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def jobs_without_workers() -> None:
    BatchJobSensor.for_each(jobs(), **SETTINGS)


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def gates_resumed_on_workers() -> None:
    GateSensor.partial(task_id="wait", file="{{ params.gate }}").expand(job_id=jobs())


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def gates_ended_in_the_triggerer() -> None:
    GateSensor.partial(task_id="wait", file="{{ params.gate }}", end_from_trigger=True).expand(job_id=jobs())


jobs_resumed_on_workers()
jobs_ended_in_the_triggerer()
jobs_without_workers()
gates_resumed_on_workers()
gates_ended_in_the_triggerer()
