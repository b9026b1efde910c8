# SPDX-License-Identifier: Apache-2.0
"""
Run thousands of Batch jobs in one task, at the pace and within the quota of the account.

``render`` describes all jobs, the triggerer submits them and waits for them by event, and ``report`` counts how they
ended. Set up the connection, the topic and the queue as for ``batch_branch_on_result``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.events.job_builder import build_job

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_many_jobs",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "jobs": Param(100, type="integer", minimum=1, maximum=10_000, description="How many jobs to run."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):
    # [START howto_decorator_batch_jobs]
    @task.batch_jobs(
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        on_finish_action="delete_succeeded",
        max_failures=0.01,
        result="summary",
        # Before Airflow 3.3 a retry would not know which of the deleted jobs have succeeded.
        retries=0,
    )
    def render(params: dict[str, Any]) -> list[dict[str, Any]]:
        """Describe all jobs, one for each part."""
        return [
            build_job(
                f"render-{part}",
                "echo part $PART",
                image=params["image_id"],
                instance_type=params["instance_type"],
                env_vars={"PART": part},
            )
            for part in range(params["jobs"])
        ]

    # [END howto_decorator_batch_jobs]

    @task
    def report(summary: dict[str, Any]) -> dict[str, int]:
        """Count how the jobs ended."""
        return {"jobs": summary["total"], "succeeded": summary["succeeded"]}

    report(render())
