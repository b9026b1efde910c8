# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from typing import Any

from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.waiting.job_termination import end_jobs, end_jobs_here


async def test_jobs_of_killed_tasks_are_ended_and_each_is_told_of(cloud: Any) -> None:
    job = announced_job("scripted: outcome=hang", "events")
    job_ids = [await asyncio.to_thread(BatchHook().submit_job, job, PLACEMENT) for _ in range(3)]
    reports = await end_jobs(DEFAULT_CONN_ID, None, [*job_ids, "job-00000000"])
    assert reports == [
        *(f"job {job_id} has ended: FAILED" for job_id in job_ids),
        "job job-00000000 does not exist any more",
    ]
    states = await asyncio.to_thread(BatchHook().get_job_states, job_ids)
    assert set(states.values()) == {"FAILED"}


async def test_without_jobs_there_is_nothing_to_do(cloud: Any) -> None:
    before = cloud.count()
    assert await end_jobs(DEFAULT_CONN_ID, None, []) == []
    assert cloud.count() == before


def test_a_worker_ends_many_jobs_at_once(cloud: Any) -> None:
    job = announced_job("scripted: outcome=hang", "events")
    hook = BatchHook()
    job_ids = [hook.submit_job(job, PLACEMENT) for _ in range(5)]
    assert end_jobs_here(hook.access, job_ids) == [f"job {job_id} has ended: FAILED" for job_id in job_ids]
    assert set(hook.get_job_states(job_ids).values()) == {"FAILED"}
