# SPDX-License-Identifier: Apache-2.0
"""
The jobs of killed tasks, ended by one terminator for each connection and event loop.

The connection is read by the terminator, once, because Airflow serves a triggerer's reads one after the other: a
thousand killed tasks that each read it would use up their time by that alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from airflow_batch_events.dispatch.job_terminator import (
    JobTerminator,
    OpenTerminationApi,
    TerminationApi,
    shared_terminator,
)
from airflow_batch_events.events.termination import BOUND
from airflow_batch_events.hooks.connection import aget_access
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.loop_thread import LoopThread
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.waiting.airflow_metrics import AirflowMetrics

WORKER_BOUND = 600.0
"""Seconds that ending jobs may take on a worker: two requests a second, for a thousand jobs."""


async def end_jobs(conn_id: str, region: str | None, job_ids: Sequence[str]) -> list[str]:
    """
    End jobs as fast as the API allows, and wait for it half a minute at the most.

    :param conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param job_ids: The jobs.
    :return: What became of each of them, in words; what is left goes on without the caller.
    """

    terminator = shared_terminator(
        (conn_id, region), _opener(lambda: aget_access(conn_id, region)), AirflowMetrics(conn_id=conn_id)
    )
    return list(await asyncio.gather(*(terminator.end(job_id) for job_id in job_ids)))


def end_jobs_here(access: CloudAccess, job_ids: Sequence[str]) -> list[str]:
    """
    End jobs on a worker, which may take as long as the API needs to take the requests.

    :param access: What the calls are signed with.
    :param job_ids: The jobs.
    :return: What became of each of them, in words.
    """

    async def end() -> list[str]:
        async def given() -> CloudAccess:
            return access

        terminator = JobTerminator(_opener(given))
        reports = await asyncio.gather(*(terminator.end(job_id, bound=WORKER_BOUND) for job_id in job_ids))
        await asyncio.wait([asyncio.ensure_future(terminator.finish())], timeout=BOUND)
        return list(reports)

    thread = LoopThread()
    try:
        return thread.run(end)
    finally:
        thread.close()


def _opener(read: Callable[[], Awaitable[CloudAccess]]) -> OpenTerminationApi:
    @asynccontextmanager
    async def open_api() -> AsyncIterator[TerminationApi]:
        access = await read()
        async with AsyncSdkClient(access, retry=NO_RETRY) as client:

            async def terminate(job_id: str) -> None:
                await client.send(batch.terminate_job(job_id))

            async def describe(ids: Sequence[str]) -> batch.JobStates:
                return await client.send(batch.describe_job_states(ids))

            yield TerminationApi(terminate, describe)

    return open_api
