# SPDX-License-Identifier: Apache-2.0
"""Many jobs in one task, each of which writes down that it has run; some fail at first, and a worker dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobsOperator


class DyingOperator(BatchSubmitJobsOperator):
    """Dies once before it takes what the triggerer has fired."""

    def execute_complete(self, context: Any, event: object = None) -> Any:
        died = Path(context["params"]["folder"]) / "worker-has-died"
        if context["params"]["worker_dies"] and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute_complete(context, event)


@dag(
    schedule=None,
    params={
        "folder": "/nowhere",
        "name": "many",
        "jobs": Param(1, type="integer"),
        "fail_first": Param([], type="array"),
        "worker_dies": False,
        "hang": False,
        "topic": "batch-events",
        "queue": "airflow-batch-events",
    },
)
def many_jobs() -> None:
    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        folder = params["folder"]

        def command(number: int) -> str:
            if params["hang"]:
                return f"echo {number} >> {folder}/ran; sleep 600"
            end = f"! mkdir {folder}/failed-{number} 2>/dev/null" if number in params["fail_first"] else "true"
            return f"echo {number} >> {folder}/ran; sleep 1; {end}"

        return [
            build_job(f"{params['name']}-{number}", command(number), image="img-eb30mz89", instance_type="S5.MEDIUM2")
            for number in range(params["jobs"])
        ]

    DyingOperator(
        task_id="run",
        jobs=describe(),
        placement={"Zone": "ap-guangzhou-6"},
        topic_name="{{ params.topic }}",
        queue_name="{{ params.queue }}",
        max_active=40,
        on_finish_action="delete_succeeded",
        # Before Airflow 3.3 a retry would not know which of the deleted jobs have succeeded.
        retries=2 if abilities.HAS_STATE_STORE else 0,
        retry_delay=1.0,
    )


many_jobs()
