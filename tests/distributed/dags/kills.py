# SPDX-License-Identifier: Apache-2.0
"""What runs while components are killed: mapped jobs, many jobs in one task, waits on workers, and a watcher."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, Param, dag, task

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.sensors.batch import BatchJobSensor
from airflow_batch_events.triggers.event import BatchEventTrigger

PARAMS = {"folder": "/nowhere", "jobs": Param(1, type="integer")}
TOPIC = "distributed-events"
# Each triggerer reads its own; see docs/deployment.md.
WAITS = "distributed-{hostname}"
WATCHED = "distributed-watch"
PLACEMENT = {"Zone": "ap-guangzhou-6"}
# Before the many mapped tasks, so that all kinds wait when the first component is killed.
FIRST: dict[str, Any] = {"priority_weight": 100, "retries": 4, "retry_delay": 1.0}
RETRIES: dict[str, Any] = {"retries": 4, "retry_delay": 1.0}


def job(name: str, number: int, command: str, folder: str) -> dict[str, Any]:
    """Return a job that writes down that it has run, before it does what it is for."""
    note = f"echo {number} >> {folder}/{name}"
    return build_job(f"{name}-{number}", f"{note}; {command}", image="img-eb30mz89", instance_type="S5.MEDIUM2")


@dag(schedule=None, params=PARAMS, default_args=RETRIES)
def mapped() -> None:
    """Run N jobs, every third of which fails, in N tasks that submit and N that wait."""

    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            job("mapped", number, f"sleep {1 + number % 7}; exit {number % 3 // 2}", params["folder"])
            for number in range(params["jobs"])
        ]

    submit = BatchSubmitJobOperator.partial(
        task_id="submit", placement=PLACEMENT, topic_name=TOPIC, wait_for_completion=False
    ).expand(job=describe())
    wait = BatchJobSensor.partial(
        task_id="wait", queue_name=WAITS, deferrable=True, raise_on_failure=False, timeout=3600
    ).expand(job_id=submit.output)

    @task
    def gather(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(outcomes)

    gather(wait.output)


@dag(schedule=None, params=PARAMS, default_args=FIRST)
def plural() -> None:
    """Run N jobs in one task."""

    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        # They take most of a minute, whatever their number.
        command = f"sleep {max(2, 1000 // params['jobs'])}"
        return [job("plural", number, command, params["folder"]) for number in range(params["jobs"])]

    BatchSubmitJobsOperator(
        task_id="run",
        jobs=describe(),
        placement=PLACEMENT,
        topic_name=TOPIC,
        queue_name=WAITS,
        max_active=40,
        on_finish_action="delete_succeeded",
    )


@dag(schedule=None, params=PARAMS, default_args=FIRST)
def blocking() -> None:
    """Run N jobs that end when a file appears, each waited for on a worker."""

    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        gate = f"while [ ! -e {params['folder']}/gate ]; do sleep 1; done"
        return [job("blocking", number, gate, params["folder"]) for number in range(params["jobs"])]

    BatchSubmitJobOperator.partial(task_id="run", placement=PLACEMENT, topic_name=TOPIC, deferrable=False).expand(
        job=describe()
    )


ended = Asset(
    name="mapped_jobs_ended",
    watchers=[
        AssetWatcher(
            name="mapped_jobs_ended",
            trigger=BatchEventTrigger(WATCHED, events=["JOB_SUCCEED", "JOB_FAILED"], job_name="mapped-*"),
        )
    ],
)

START = pendulum.datetime(2026, 1, 1, tz="UTC")
with DAG("watching", schedule=[ended], start_date=START, catchup=False, default_args=RETRIES):

    @task
    def note(triggering_asset_events: Any = None) -> list[str]:
        """Name the jobs whose end has started this run."""
        return [event.extra["payload"]["job_id"] for found in triggering_asset_events.values() for event in found]

    note()

mapped()
plural()
blocking()
