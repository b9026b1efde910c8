# SPDX-License-Identifier: Apache-2.0
"""A job with data, waited for by its own task and by another one, and two jobs in one task."""

from __future__ import annotations

from airflow.sdk import Asset, dag

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

COS = "cos://data-1250000000.cos.ap-guangzhou.myqcloud.com"
PLACEMENT = {"Zone": "ap-guangzhou-6"}


@dag(schedule=None, params={"command": "true", "queue": "airflow-batch-events"})
def observed() -> None:
    def job(number: int) -> dict[str, object]:
        return build_job(
            f"observed-{number}",
            "{{ params.command }}",
            image="img-eb30mz89",
            instance_type="S5.MEDIUM2",
            input_mappings={f"{COS}/raw/": "/in"},
            output_mappings={"/out": f"{COS}/clean/{number}/"},
        )

    waits = {"placement": PLACEMENT, "topic_name": "batch-events", "queue_name": "{{ params.queue }}"}
    submit = BatchSubmitJobOperator(
        task_id="submit", job=job(0), deferrable=True, log_output=True, outlets=[Asset(f"{COS}/report")], **waits
    )
    wait = BatchJobSensor(
        task_id="wait",
        job_id="{{ ti.xcom_pull(task_ids='submit', key='job_id') }}",
        queue_name="{{ params.queue }}",
        deferrable=True,
    )
    many = BatchSubmitJobsOperator(task_id="many", jobs=[job(1), job(2)], **waits)
    submit >> wait >> many


observed()
