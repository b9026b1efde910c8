# SPDX-License-Identifier: Apache-2.0
"""
Take another machine on the next try, by what has made the last one fail. Needs Airflow 3.3.

What to set up once: see the example ``batch_branch_on_result``. The image and the zones are those of the first lines.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

IMAGE = "img-eb30mz89"
ZONE, OTHER_ZONE = "ap-guangzhou-6", "ap-guangzhou-7"


# [START howto_operator_batch_next_job]
def next_job(attempt: int, failure: dict[str, Any] | None) -> dict[str, Any]:
    """Begin with a small machine that the cloud may take back."""
    cause = failure["cause"] if failure else None
    job = build_job(
        "train",
        "echo done",
        image=IMAGE,
        instance_type="S5.LARGE8" if cause == "out_of_memory" else "S5.MEDIUM4",
        env_data={"InstanceChargeType": "SPOTPAID" if attempt == 1 else "POSTPAID_BY_HOUR"},
    )
    return {"Job": job, "Placement": {"Zone": OTHER_ZONE}} if cause == "no_capacity" else job


# [END howto_operator_batch_next_job]

with DAG(
    dag_id="batch_machine_by_cause",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    default_args={"retry_delay": timedelta(seconds=5)},
    tags=["tencent cloud", "batch", "example"],
):
    BatchSubmitJobOperator(
        task_id="train",
        job=next_job,
        placement={"Zone": ZONE},
        topic_name="batch-events",
        queue_name="airflow-batch-events",
        deferrable=True,
        retries=3,
    )
