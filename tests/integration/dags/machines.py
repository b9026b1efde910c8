# SPDX-License-Identifier: Apache-2.0
"""Jobs that die on their first machine, each for another reason, and live on the next one."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.job_builder import build_job, build_ladder
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator

SERVER = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM4"}
OTHER_ZONE = "ap-guangzhou-7"


def by_cause(attempt: int, failure: dict[str, Any] | None) -> dict[str, Any]:
    """A spot machine, and after its loss one on demand in another zone."""
    if failure is None or failure["cause"] != "interrupted":
        spot = {"InstanceChargeType": "SPOTPAID"}
        return build_job("by_cause", "scripted: spot=reclaimed", **SERVER, env_data=spot)
    job = build_job("by_cause", "scripted: spot=reclaimed", **SERVER)
    return {"Job": job, "Placement": {"Zone": OTHER_ZONE}}


@dag(schedule=None, params={"topic": "t", "queue": "q", "connection": "c"})
def machines() -> None:
    spot, sure = {"InstanceChargeType": "SPOTPAID"}, {"InstanceChargeType": "POSTPAID_BY_HOUR", "Zone": OTHER_ZONE}
    jobs: dict[str, Any] = {
        "larger": build_ladder(build_job("larger", "scripted: memory=6", **SERVER), ["S5.MEDIUM4", "S5.LARGE8"]),
        "on_demand": build_ladder(build_job("on_demand", "scripted: spot=reclaimed", **SERVER), [spot, sure]),
    }
    if abilities.HAS_STATE_STORE:
        jobs["by_cause"] = by_cause
    where: dict[str, Any] = {
        "topic_name": "{{ params.topic }}",
        "queue_name": "{{ params.queue }}",
        "tencentcloud_conn_id": "{{ params.connection }}",
        "placement": {"Zone": "ap-guangzhou-6"},
    }
    for task_id, job in jobs.items():
        BatchSubmitJobOperator(task_id=task_id, job=job, deferrable=True, retries=1, retry_delay=1.0, **where)
    endings = ("outcome=succeed", "memory=6", "outcome=failed exit_code=3 stderr=no_table")
    many = [build_job(f"many-{number}", f"scripted: {ends}", **SERVER) for number, ends in enumerate(endings)]
    BatchSubmitJobsOperator(task_id="many", jobs=many, retries=3, fail_on_exit_code=3, **where)


machines()
