# SPDX-License-Identifier: Apache-2.0
"""
Describe Batch jobs in Python: the function returns the job, the task submits it and waits for it by event.

``split`` says what there is to do, one job for each part renders it, and ``report`` gathers how they ended. Set up the
connection, the topic and the queue as for ``batch_branch_on_result``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.events.job_builder import build_job

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_job_decorator",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "parts": Param(3, type="integer", minimum=1, maximum=50, description="How many jobs to run."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):

    @task
    def split(params: dict[str, Any]) -> list[int]:
        """Say what there is to do."""
        return list(range(params["parts"]))

    # [START howto_decorator_batch_job]
    @task.batch_job(
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
    )
    def render(part: int, params: dict[str, Any]) -> dict[str, Any]:
        """Describe the job for one part."""
        return build_job(
            f"render-{part}",
            'echo "part $PART, instance $BATCH_TASK_INSTANCE_INDEX"',
            image=params["image_id"],
            instance_type=params["instance_type"],
            instances=2,
            env_vars={"PART": part},
            retries=1,
            timeout=600,
        )

    # [END howto_decorator_batch_job]

    @task
    def report(outcomes: list[dict[str, Any]]) -> dict[str, int]:
        """Count how the jobs ended."""
        outcomes = list(outcomes)
        return {"jobs": len(outcomes), "succeeded": sum(outcome["succeeded"] for outcome in outcomes)}

    report(render.expand(part=split()))
