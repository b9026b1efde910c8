# SPDX-License-Identifier: Apache-2.0
"""
Take another machine on the next try: a larger one, or one that the cloud does not take back.

What to set up once: see the example ``batch_branch_on_result``.

Trigger it with ``{"command": "echo out of memory >&2; exit 137"}`` to see the first task go through its machines.
"""

from __future__ import annotations

from datetime import timedelta

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
        "other_zone": Param("ap-guangzhou-7", type="string"),
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

    # [START howto_operator_batch_on_demand]
    spot = {"InstanceChargeType": "SPOTPAID"}
    sure = {"InstanceChargeType": "POSTPAID_BY_HOUR", "Zone": "{{ params.other_zone }}"}
    small = build_job("report", "echo done", image="{{ params.image_id }}", instance_type="S5.MEDIUM2")
    on_demand = BatchSubmitJobOperator(
        task_id="on_demand",
        job=build_ladder(small, machines=[spot, sure]),
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
        retries=1,
    )
    # [END howto_operator_batch_on_demand]
