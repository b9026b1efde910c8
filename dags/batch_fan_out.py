# SPDX-License-Identifier: Apache-2.0
"""
Run N Batch jobs side by side, wait for each by event, and gather the results.

All N waits share one reader of the queue. Set up the connection, the topic and the queue as for
``batch_branch_on_result``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_fan_out",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "jobs": Param(20, type="integer", minimum=1, maximum=500, description="How many jobs to run."),
        "command": Param("sleep 10", type="string", description="The shell command that each job runs."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):

    @task
    def describe_jobs(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Describe one job for each part of the work."""
        env_data = {"InstanceType": params["instance_type"], "ImageId": params["image_id"]}
        return [
            {
                "JobName": f"part-{part}",
                "Tasks": [
                    {
                        "TaskName": "main",
                        "Application": {"DeliveryForm": "LOCAL", "Command": f"{params['command']}; echo part {part}"},
                        "ComputeEnv": {"EnvType": "MANAGED", "EnvData": env_data},
                    }
                ],
            }
            for part in range(params["jobs"])
        ]

    submit = BatchSubmitJobOperator.partial(
        task_id="submit",
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        wait_for_completion=False,
    ).expand(job=describe_jobs())

    # [START howto_sensor_batch_job]
    wait = BatchJobSensor.partial(
        task_id="wait",
        queue_name=QUEUE,
        deferrable=True,
        timeout=3600,
    ).expand(job_id=submit.output)
    # [END howto_sensor_batch_job]

    @task
    def gather(outcomes: list[dict[str, Any]]) -> dict[str, int]:
        """Count how the jobs ended."""
        outcomes = list(outcomes)
        return {"jobs": len(outcomes), "succeeded": sum(outcome["succeeded"] for outcome in outcomes)}

    gather(wait.output)
