# SPDX-License-Identifier: Apache-2.0
"""Two jobs that run until a file appears, one whose events arrive and one whose events do not."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator


@dag(schedule=None, params={"gate": "/nowhere", "topic": "page-topic", "queues": ["page-fine", "page-lost"]})
def page_waits() -> None:
    for number, task_id in enumerate(("arrives", "is_lost")):
        BatchSubmitJobOperator(
            task_id=task_id,
            job=build_job(
                task_id,
                "while [ ! -e {{ params.gate }} ]; do sleep 0.5; done",
                image="img-eb30mz89",
                instance_type="S5.MEDIUM2",
            ),
            placement={"Zone": "ap-guangzhou-6"},
            topic_name="{{ params.topic }}",
            queue_name=f"{{{{ params.queues[{number}] }}}}",
            # An event comes at once; where it is lost, a poll must find the end soon.
            reconcile_interval=(300, 20)[number],
            deferrable=True,
        )


page_waits()
