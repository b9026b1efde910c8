# SPDX-License-Identifier: Apache-2.0
"""Tasks that return what their jobs leave behind, and show what they write."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

WAIT = {"queue_name": "{{ params.queue }}", "deferrable": True}
SPEAK = "echo step 1; while [ ! -e {{ params.gate }} ]; do sleep 0.2; done; echo step 2; echo '{\"rows\": 7}'"


def submit(task_id: str, command: str, **settings: Any) -> BatchSubmitJobOperator:
    return BatchSubmitJobOperator(
        task_id=task_id,
        job=build_job(task_id, command, image="img-eb30mz89", instance_type="S5.MEDIUM2"),
        placement={"Zone": "ap-guangzhou-6"},
        topic_name="{{ params.topic }}",
        **settings,
    )


@task
def add_one(value: dict[str, int]) -> int:
    """Count on with the value of a job."""
    return value["rows"] + 1


with DAG("job_values", schedule=None, params={"gate": "/nowhere", "topic": "t", "queue": "q", "bucket": "b-1"}):
    speaks = submit("speaks", SPEAK, result="stdout-json", log_output="live", **WAIT)
    add_one(speaks.output)
    begun = submit("begun", "echo 41", wait_for_completion=False)
    BatchJobSensor(task_id="sensed", job_id=begun.output, result="stdout-json", **WAIT)
    submit(
        "stored",
        "true",
        result_path="cos://{{ params.bucket }}/${BATCH_JOB_ID}.json",
        tencentcloud_conn_id="with_cos",
        deferrable=False,
        poll_interval=0.5,
    )
    submit("silent", "echo done", result="stdout-json", **WAIT)
