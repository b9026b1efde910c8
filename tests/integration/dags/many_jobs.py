# SPDX-License-Identifier: Apache-2.0
"""Many jobs in one task, whose worker dies at moments that are told."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from airflow.sdk import Param, dag, task

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobsOperator


class DyingOperator(BatchSubmitJobsOperator):
    """Dies once at each of the moments: it begins, it defers, it is resumed, the end is noted, the end is reached."""

    def execute(self, context: Any) -> Any:
        self.params_now = context["params"]
        self._die("begins")
        return super().execute(context)

    def defer(self, **kwargs: Any) -> NoReturn:
        self._die("defers")
        super().defer(**kwargs)

    def execute_complete(self, context: Any, event: object = None) -> Any:
        self.params_now = context["params"]
        self._die("is resumed")
        return super().execute_complete(context, event)

    def _conclude(self, *args: Any) -> Any:
        self._die("has noted")
        result = super()._conclude(*args)
        self._die("ends")
        return result

    def _die(self, moment: str) -> None:
        died = Path(self.params_now["folder"]) / f"died as it {moment}"
        if moment in self.params_now["worker_dies"] and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dag(
    schedule=None,
    params={
        "folder": "/nowhere",
        "name": "many",
        "jobs": Param(1, type="integer"),
        "command": "scripted: duration=1",
        "worker_dies": Param([], type="array"),
        "topic": "batch-events",
        "queue": "airflow-batch-events",
        "connection": "tencentcloud_default",
    },
)
def many_jobs() -> None:
    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        server = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2"}
        return [
            build_job(f"{params['name']}-{number}", params["command"], **server) for number in range(params["jobs"])
        ]

    DyingOperator(
        task_id="run",
        jobs=describe(),
        placement={"Zone": "ap-guangzhou-6"},
        topic_name="{{ params.topic }}",
        queue_name="{{ params.queue }}",
        tencentcloud_conn_id="{{ params.connection }}",
        on_finish_action="delete_succeeded",
        # Before Airflow 3.3 a retry would not know which of the deleted jobs have succeeded.
        retries=7 if abilities.HAS_STATE_STORE else 0,
        retry_delay=1.0,
    )


many_jobs()
