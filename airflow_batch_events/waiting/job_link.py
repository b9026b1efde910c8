# SPDX-License-Identifier: Apache-2.0
"""
Write a job's link in the triggerer, for a task that no worker has begun.

The rule that must not be relaxed: no wait waits for its link before it has registered. The triggerer's supervisor
stores one thing after the other, so a thousand links take more than a minute. They take turns among themselves, so that
the result of a task which ends meanwhile is stored after one of them and not after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from airflow_batch_events.airflow_compat.xcom import PUSH_BOUND, push_from_trigger
from airflow_batch_events.hooks.connection import aget_access
from airflow_batch_events.protocol.late_import import imported
from airflow_batch_events.protocol.per_loop import PerLoop
from airflow_batch_events.protocol.time_limit import within

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

_turns: PerLoop[None, asyncio.Lock] = PerLoop()


@asynccontextmanager
async def link_written(trigger: BaseTrigger, conn_id: str, region: str | None, job_id: str) -> AsyncIterator[None]:
    """
    Write the link to a job while the context lasts; its end waits until that is done, unless it is cancelled.

    A task without its link goes on.

    :param trigger: The wait, in the triggerer.
    :param conn_id: The connection, which says where links lead.
    :param region: Overrides the connection's region.
    :param job_id: The job.
    """
    writing = asyncio.ensure_future(_write(trigger, conn_id, region, job_id))
    try:
        yield
    except asyncio.CancelledError:
        writing.cancel()
        raise
    finally:
        await within(None, writing)


async def _write(trigger: BaseTrigger, conn_id: str, region: str | None, job_id: str) -> None:
    if trigger.task_instance is None:
        return
    try:
        await imported("airflow_batch_events.links.console")
        from airflow_batch_events.links.console import BatchJobLink

        link = BatchJobLink.url(await aget_access(conn_id, region), job_id)
        async with _turns.get(None, asyncio.Lock, lambda _: True):
            await within(PUSH_BOUND, push_from_trigger(trigger, BatchJobLink().xcom_key, link))
    except Exception as error:  # noqa: BLE001 - what is wrong with the connection ends the wait, which tells it
        trigger.log.warning("Cannot write the link to job %s: %s: %s", job_id, type(error).__name__, error)
