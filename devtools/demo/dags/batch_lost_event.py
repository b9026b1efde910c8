# SPDX-License-Identifier: Apache-2.0
"""Wait for a job on a queue into which nothing comes: the API tells what the lost event would have told."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

with DAG(
    dag_id="batch_lost_event",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    params={"command": Param("sleep 10", type="string")},
):
    submit = BatchSubmitJobOperator(
        task_id="submit",
        job=build_job("lost-event", "{{ params.command }}", image="img-eb30mz89", instance_type="S5.MEDIUM2"),
        placement={"Zone": "ap-guangzhou-6"},
        topic_name="batch-events",
        queue_name="lost-events",
        deferrable=True,
        # Every five minutes by default: this one must not keep you waiting.
        reconcile_interval=5,
    )

    @task
    def go_on(outcome: Any) -> str:
        """Do what comes after the job."""
        return str(outcome["state"])

    go_on(submit.output)
