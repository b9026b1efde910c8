# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable

from helpers.batch_cloud import JOB_EVENTS, Cloud, job, task

from tencent_batch_emulator.services.batch.settings import Delays, Quotas

JOBS = 1_000


async def test_a_scripted_job_is_cheap(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(delays=Delays.none(), quotas=Quotas(jobs=10_000))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(JOBS):
            await cloud.submit(job(task("scripted: duration=10"), events=JOB_EVENTS))
        cloud.clock.advance(5)
        running = (await cloud.call("DescribeJobs", Filters=[{"Name": "job-state", "Values": ["RUNNING"]}]))[
            "TotalCount"
        ]
        tasks = len(asyncio.all_tasks())
        cloud.clock.advance(10)
        await cloud.service.flush()
        cloud.messages.clear()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert running == JOBS
    assert tasks <= 3
    assert used / JOBS < 20_000
    assert (await cloud.call("DescribeJobs", Filters=[{"Name": "job-state", "Values": ["SUCCEED"]}]))[
        "TotalCount"
    ] == JOBS
