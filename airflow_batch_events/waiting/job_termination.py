# SPDX-License-Identifier: Apache-2.0
"""
The jobs of killed tasks, ended by one terminator for each connection and event loop.

The connection is read by the terminator, once, because Airflow serves a triggerer's reads one after the other: a
thousand killed tasks that each read it would use up their time by that alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from airflow_batch_events.dispatch.job_terminator import TerminationApi, shared_terminator
from airflow_batch_events.hooks.connection import aget_access
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.waiting.airflow_metrics import AirflowMetrics


async def end_jobs(conn_id: str, region: str | None, job_ids: Sequence[str]) -> list[str]:
    """
    End jobs as fast as the API allows, and wait for it half a minute at the most.

    :param conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param job_ids: The jobs.
    :return: What became of each of them, in words; what is left goes on without the caller.
    """

    @asynccontextmanager
    async def open_api() -> AsyncIterator[TerminationApi]:
        access = await aget_access(conn_id, region)
        async with AsyncSdkClient(access, retry=NO_RETRY) as client:

            async def terminate(job_id: str) -> None:
                await client.send(batch.terminate_job(job_id))

            async def describe(ids: Sequence[str]) -> batch.JobStates:
                return await client.send(batch.describe_job_states(ids))

            yield TerminationApi(terminate, describe)

    terminator = shared_terminator((conn_id, region), open_api, AirflowMetrics(conn_id=conn_id))
    return list(await asyncio.gather(*(terminator.end(job_id) for job_id in job_ids)))
