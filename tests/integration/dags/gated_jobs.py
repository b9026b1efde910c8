# SPDX-License-Identifier: Apache-2.0
"""N jobs that run until a file appears, each submitted by a mapped task, and waited for by two."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor


@dag(
    schedule=None,
    params={"gate": "/nowhere", "jobs": 1, "topic": "batch-events", "queue": "airflow-batch-events"},
    render_template_as_native_obj=True,
)
def gated_jobs() -> None:
    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "JobName": f"gated-{number}",
                "Tasks": [
                    {
                        "TaskName": "main",
                        "Application": {
                            "DeliveryForm": "LOCAL",
                            # Every third job fails, so that a wrong result would be noticed.
                            "Command": f"while [ ! -e {params['gate']} ]; do sleep 0.5; done; exit {number % 3 // 2}",
                        },
                        "ComputeEnv": {
                            "EnvType": "MANAGED",
                            "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
                        },
                    }
                ],
            }
            for number in range(params["jobs"])
        ]

    submit = BatchSubmitJobOperator.partial(
        task_id="submit",
        placement={"Zone": "ap-guangzhou-6"},
        topic_name="{{ params.topic }}",
        wait_for_completion=False,
    ).expand(job=describe())
    # A worker ends the first, the triggerer the second.
    settings = {"queue_name": "{{ params.queue }}", "deferrable": True, "raise_on_failure": False, "timeout": 3600}
    wait = BatchJobSensor.partial(task_id="wait", end_from_trigger=False, **settings).expand(job_id=submit.output)
    wait_there = BatchJobSensor.partial(task_id="wait_there", **settings).expand(job_id=submit.output)

    @task
    def gather(outcomes: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[list[str]]:
        return [[outcome["state"] for outcome in found] for found in (outcomes, others)]

    gather(wait.output, wait_there.output)


gated_jobs()
