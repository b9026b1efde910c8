# SPDX-License-Identifier: Apache-2.0
"""The same jobs twice: all of them in one task, and a mapped task for each, both as anybody would write them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from devtools.benchmarks.cloud import QUEUE, TOPIC

MANY = 2_000
PARAMS = {"jobs": Param(1, type="integer")}
SETTINGS: dict[str, Any] = {
    "task_id": "run",
    "placement": {"Zone": "ap-guangzhou-6"},
    "topic_name": TOPIC,
    "queue_name": QUEUE,
}


@task
def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
    server = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2"}
    return [build_job(f"job-{number}", "scripted: duration=1", **server) for number in range(params["jobs"])]


@dag(schedule=None, params=PARAMS)
def many_in_one_task() -> None:
    BatchSubmitJobsOperator(jobs=describe(), **SETTINGS)


@dag(schedule=None, params=PARAMS, max_active_tasks=MANY)
def many_mapped_tasks() -> None:
    BatchSubmitJobOperator.partial(deferrable=True, **SETTINGS).expand(job=describe())


many_in_one_task()
many_mapped_tasks()
