# SPDX-License-Identifier: Apache-2.0
"""
Run N Batch jobs side by side and wait for all of them without a worker.

The sensors begin and end in the triggerer: however many jobs there are and however long they take, only submitting them
needs workers. The last task needs a worker to submit its job, and none to end. Set up the connection, the topic and the
queue as for ``batch_branch_on_result``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_wait_without_worker",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "jobs": Param(20, type="integer", minimum=1, maximum=500, description="How many jobs to run."),
        "seconds": Param(10, type="integer", minimum=0, description="How many seconds each job sleeps."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):

    @task
    def describe_jobs(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Describe one job for each part of the work."""
        return [
            build_job(
                f"part-{part}",
                command=f"sleep {params['seconds']}; echo part {part}",
                instance_type=params["instance_type"],
                image=params["image_id"],
            )
            for part in range(params["jobs"])
        ]

    # [START howto_sensor_batch_job_without_worker]
    submit = BatchSubmitJobOperator.partial(
        task_id="submit",
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        wait_for_completion=False,
    ).expand(job=describe_jobs())

    wait = BatchJobSensor.for_each(submit, task_id="wait", queue_name=QUEUE, timeout=3600)
    # [END howto_sensor_batch_job_without_worker]

    # [START howto_operator_batch_submit_job_deferred]
    summarize = BatchSubmitJobOperator(
        task_id="summarize",
        job=build_job(
            "summary",
            command="echo all parts are there",
            instance_type="{{ params.instance_type }}",
            image="{{ params.image_id }}",
        ),
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
    )
    # [END howto_operator_batch_submit_job_deferred]

    @task
    def gather(outcomes: list[dict[str, Any]], summary: dict[str, Any]) -> dict[str, int]:
        """Count how the jobs ended."""
        ended = [*outcomes, summary]
        return {"jobs": len(ended), "succeeded": sum(outcome["succeeded"] for outcome in ended)}

    wait >> summarize
    gather(wait.output, summarize.output)
