# SPDX-License-Identifier: Apache-2.0
"""
Parameters from mapped and skipped tasks. Run as a script, it tests the DAG and writes what became of each task.

The results go to the file that RESULTS names: state, error and return value by task id and map index.
"""

from __future__ import annotations

import json
import os
from inspect import signature
from typing import Any

import pendulum
from airflow.listeners import hookimpl
from airflow.sdk import DAG, BaseOperator, task, task_group

from airflow_batch_events.airflow_compat.exceptions import AirflowSkipException
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import (
    BatchDeleteJobOperator,
    BatchSubmitJobOperator,
    BatchTerminateJobOperator,
)
from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 3.1
    from airflow.listeners.listener import get_listener_manager  # type: ignore[no-redef]

PLACEMENT = {"Zone": "ap-guangzhou-6"}
JOB = build_job("j", "scripted: duration=2", image="img-eb30mz89", instance_type="S5.MEDIUM2")
# Airflow 3.1 knows it of whole DAGs only.
NATIVE = (
    {"render_template_as_native_obj": True}
    if "render_template_as_native_obj" in signature(BaseOperator.__init__).parameters
    else {}
)
errors: dict[str, str] = {}


class FailureListener:
    """Notes the errors. A failure callback would, too, but Airflow 3.1 does not tell it the exception."""

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        errors[name_of(task_instance)] = f"{type(error).__name__}: {error}"


def name_of(ti: Any) -> str:
    return ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"


ARGUMENTS = {"trigger_rule": "none_failed", "retries": 0}
with DAG("mapped_and_skipped", schedule=None, start_date=pendulum.datetime(2026, 1, 1), default_args=ARGUMENTS) as dag:

    @task
    def optional() -> str:
        raise AirflowSkipException("not today")

    @task
    def nothing() -> list[None]:
        return [None]

    @task
    def kwargs() -> list[dict[str, Any]]:
        return [{"region": None}]

    @task
    def ids_with_gap() -> list[str | None]:
        return ["job-00000000", None]

    @task
    def none_at_all() -> list[dict[str, Any]]:
        return []

    @task
    def first_only(job_id: str, ti: Any = None) -> str:
        if ti.map_index:
            raise AirflowSkipException("not this one")
        return job_id

    skipped = optional()
    wanted: dict[str, Any] = {"queue_name": "waits", "timeout": 30}
    BatchEventSensor(task_id="filter_of_skipped", job_id=skipped, **wanted)
    BatchEventSensor(task_id="region_of_skipped", region=skipped, **wanted)
    BatchEventSensor(task_id="queue_of_skipped", queue_name=skipped)
    BatchEventSensor(
        task_id="native_region_of_skipped",
        region="{{ ti.xcom_pull(task_ids='optional') }}",
        **NATIVE,
        **wanted,
    ).set_upstream(skipped)
    BatchJobSensor(task_id="list_with_skipped", job_id=["job-00000000", skipped], poke_interval=0.1)
    BatchTerminateJobOperator.partial(task_id="terminate_expanded").expand(job_id=ids_with_gap())
    absent = nothing()
    BatchEventSensor.partial(task_id="region_expanded", **wanted).expand(region=absent)
    BatchEventSensor.partial(task_id="kwargs_expanded", **wanted).expand_kwargs(kwargs())
    BatchDeleteJobOperator.partial(task_id="literal_none", job_id="job-00000000").expand(region=[None])

    @task_group
    def group(env_id: str) -> None:
        BatchEventSensor(task_id="filter_in_group", env_id=env_id, **wanted)

    group.expand(env_id=absent)

    settings = {"placement": PLACEMENT, "topic_name": "events", "wait_for_completion": False}
    submit = BatchSubmitJobOperator.partial(task_id="submit", **settings).expand(job=[JOB, JOB])
    BatchEventSensor(
        task_id="events_of_mapped",
        events="JOB_SUCCEED",
        job_id=submit.output,
        count="2",
        queue_name="waits",
        timeout=40,
    )
    BatchJobSensor(task_id="wait_for_mapped", job_id=submit.output, poke_interval=0.2, timeout=60)
    BatchJobSensor(
        task_id="wait_for_rest", job_id=first_only.expand(job_id=submit.output), poke_interval=0.2, timeout=60
    )
    single = BatchSubmitJobOperator(task_id="single", job=JOB, placement=PLACEMENT, poll_interval=0.2)
    BatchDeleteJobOperator(task_id="delete_outcome", job_id=single.output)
    empty = BatchSubmitJobOperator.partial(task_id="empty", **settings).expand(job=none_at_all())
    BatchJobSensor(task_id="wait_for_none", job_id=empty.output, poke_interval=0.2)


def main() -> None:
    from airflow.utils.db import initdb

    initdb()
    get_listener_manager().add_listener(FailureListener())
    run = dag.test()
    results = {}
    for ti in run.get_task_instances():
        name = name_of(ti)
        value = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index) if str(ti.state) == "success" else None
        results[name] = (str(ti.state), errors.get(name), value)
    with open(os.environ["RESULTS"], "w") as file:
        json.dump(results, file, default=str)


if __name__ == "__main__":
    main()
