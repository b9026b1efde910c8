# SPDX-License-Identifier: Apache-2.0
"""
Take another machine on the next try: a larger one, or one that the cloud does not take back.

What to set up once: see the example ``batch_branch_on_result``.

Trigger it with ``{"command": "echo no memory >&2; exit 137"}`` to see both tasks go through their machines.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, Param

from airflow_batch_events.events.job_builder import build_job, build_ladder
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_larger_machine",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    default_args={"retry_delay": timedelta(seconds=5)},
    params={
        "command": Param("echo done", type="string", description="The shell command that the jobs run."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):
    # [START howto_operator_batch_machines]
    job = build_job("train", "{{ params.command }}", image="{{ params.image_id }}", instance_type="S5.MEDIUM4")
    larger = BatchSubmitJobOperator(
        task_id="larger",
        job=build_ladder(job, machines=["S5.MEDIUM4", "S5.LARGE8", "S5.2XLARGE32"]),
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
        retries=2,
    )
    # [END howto_operator_batch_machines]

    # [START howto_operator_batch_next_job]
    def next_job(attempt: int, failure: dict[str, Any] | None) -> dict[str, Any]:
        """Begin on spot; go on demand when the machine was taken back, and take a larger one when memory was short."""
        cause = failure["cause"] if failure else None
        return build_job(
            "train",
            "echo done",
            image="img-eb30mz89",
            instance_type="S5.LARGE8" if cause == "out_of_memory" else "S5.MEDIUM4",
            env_data={"InstanceChargeType": "SPOTPAID" if attempt == 1 else "POSTPAID_BY_HOUR"},
        )

    # [END howto_operator_batch_next_job]

    on_demand = BatchSubmitJobOperator(
        task_id="on_demand",
        job=next_job,
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
        retries=2,
    )
