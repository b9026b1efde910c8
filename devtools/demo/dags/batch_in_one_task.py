# SPDX-License-Identifier: Apache-2.0
"""Run two hundred jobs in one task, on a cloud whose jobs run nothing."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobsOperator

with DAG(dag_id="batch_in_one_task", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="UTC")):
    submit = BatchSubmitJobsOperator(
        task_id="submit",
        # They end well after their first polls, five seconds after their submission, so that events end the waits.
        jobs=[
            build_job(f"part-{part}", "scripted: duration=10", image="img-eb30mz89", instance_type="S5.MEDIUM2")
            for part in range(200)
        ],
        placement={"Zone": "ap-guangzhou-6"},
        tencentcloud_conn_id="scripted_cloud",
        topic_name="batch-events",
        queue_name="airflow-batch-events",
    )

    @task
    def count(outcomes: Any) -> int:
        """Do what comes after the jobs."""
        return len(outcomes)

    count(submit.output)
