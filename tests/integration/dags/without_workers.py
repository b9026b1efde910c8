# SPDX-License-Identifier: Apache-2.0
"""Waits that begin and end in the triggerer, in each of the forms that a DAG may write."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task, task_group

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

QUEUE = "airflow-batch-events"
SUBMIT = {"placement": {"Zone": "ap-guangzhou-6"}, "topic_name": "batch-events"}
WITHOUT_WORKER = {
    # Where Airflow cannot, the file must still be read; what it shows is not tested there.
    "start_from_trigger": abilities.HAS_START_FROM_TRIGGER,
    "end_from_trigger": True,
    "queue_name": QUEUE,
    "timeout": 3600,
}


def gated(name: str, then: str = "exit 0") -> dict[str, Any]:
    return build_job(
        name,
        f"while [ ! -e {{{{ params.gate }}}} ]; do sleep 0.5; done; {then}",
        image="img-eb30mz89",
        instance_type="S5.MEDIUM2",
    )


@dag(schedule=None, params={"gate": "/nowhere", "jobs": 3})
def without_workers() -> None:
    one = BatchSubmitJobOperator(task_id="one", job=gated("one"), wait_for_completion=False, **SUBMIT)
    wait_for_one = BatchJobSensor(task_id="wait_for_one", job_id=one.output, **WITHOUT_WORKER)
    wait_for_list = BatchJobSensor(task_id="wait_for_list", job_id=[one.output], **WITHOUT_WORKER)

    @task
    def names(params: dict[str, Any]) -> list[dict[str, Any]]:
        # Every third job fails, so that a wrong result would be noticed.
        gate = f"while [ ! -e {params['gate']} ]; do sleep 0.5; done"
        return [
            build_job(
                f"mapped-{number}", f"{gate}; exit {number % 3 // 2}", image="img-eb30mz89", instance_type="S5.MEDIUM2"
            )
            for number in range(params["jobs"])
        ]

    many = BatchSubmitJobOperator.partial(task_id="many", wait_for_completion=False, **SUBMIT).expand(job=names())
    wait_for_many = BatchJobSensor.for_each(
        many, task_id="wait_for_many", queue_name=QUEUE, raise_on_failure=False, timeout=3600
    )

    @task_group
    def grouped(number: int) -> None:
        job = gated("grouped")
        submit = BatchSubmitJobOperator(task_id="submit", job=job, wait_for_completion=False, **SUBMIT)
        BatchJobSensor(task_id="wait", job_id=submit.output, **WITHOUT_WORKER)

    grouped.expand(number=[1, 2])

    failing = BatchSubmitJobOperator(
        task_id="failing", job=gated("failing", "echo no such input >&2; exit 7"), wait_for_completion=False, **SUBMIT
    )
    BatchJobSensor(task_id="fails", job_id=failing.output, retries=1, retry_delay=1, **WITHOUT_WORKER)
    BatchJobSensor(task_id="skips", job_id=failing.output, soft_fail=True, **WITHOUT_WORKER)

    whole = BatchSubmitJobOperator(
        task_id="whole", job=gated("whole"), queue_name=QUEUE, end_from_trigger=True, **SUBMIT
    )

    @task
    def gather(
        single: dict[str, Any], listed: list[dict[str, Any]], mapped: list[dict[str, Any]], whole: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "single": single["state"],
            "listed": [outcome["state"] for outcome in listed],
            "mapped": [outcome["state"] for outcome in mapped],
            "whole": whole["state"],
        }

    @task
    def one_of(outcome: dict[str, Any]) -> str:
        return str(outcome["job_id"])

    gather(wait_for_one.output, wait_for_list.output, wait_for_many.output, whole.output)
    one_of.expand(outcome=wait_for_list.output)


without_workers()
