# SPDX-License-Identifier: Apache-2.0
"""The same waits three times: as anybody writes them, ended in the triggerer, and ended on a worker."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "triggerer": {"end_from_trigger": True},
    "worker": {"end_from_trigger": False},
}
ENDS = {"good": "echo all is well", "bad": "echo no such input >&2; exit 7"}
SUBMIT = {"placement": {"Zone": "ap-guangzhou-6"}, "topic_name": "{{ params.topic }}"}
QUEUE = "{{ params.queue }}"


def note_error(context: Any) -> None:
    """Write to the task's log which error a callback is given."""
    print("the callback was given", type(context.get("exception")).__name__)


def gated(end: str) -> dict[str, Any]:
    command = f"while [ ! -e {{{{ params.gate }}}} ]; do sleep 0.5; done; {ENDS[end]}"
    return build_job(end, command, image="img-eb30mz89", instance_type="S5.MEDIUM2")


@dag(schedule=None, params={"gate": "/nowhere", "topic": "t", "queue": "q"})
def same_ends() -> None:
    for end in ENDS:
        submit = BatchSubmitJobOperator(task_id=f"submit_{end}", job=gated(end), wait_for_completion=False, **SUBMIT)
        for way, settings in WAYS.items():
            wait = {"queue_name": QUEUE, "deferrable": True, "on_failure_callback": note_error, **settings}
            BatchSubmitJobOperator(task_id=f"operator_{way}_{end}", job=gated(end), **wait, **SUBMIT)
            BatchJobSensor(task_id=f"sensor_{way}_{end}", job_id=submit.output, timeout=3600, **wait)


@dag(schedule=None, params={"job_id": "job-00000000", "waits": 1, "queue": "q"})
def early_ends() -> None:
    @task
    def job_ids(params: dict[str, Any]) -> list[str]:
        return [params["job_id"]] * params["waits"]

    BatchJobSensor.partial(task_id="wait", queue_name=QUEUE, deferrable=True, timeout=3600).expand(job_id=job_ids())


same_ends()
early_ends()
