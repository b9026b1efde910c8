# SPDX-License-Identifier: Apache-2.0
"""
The consumer that all triggers of a queue share, from a trigger's point of view.

A trigger's module imports this one, and the triggerer imports that on its event loop. So what reading a connection and
a queue needs is imported in a thread, by the first trigger that runs; the rule that must not be relaxed is that nothing
here imports the clients at the top. While they are imported, the triggerer's supervisor reads the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from airflow_batch_events.hooks.connection import aget_access
from airflow_batch_events.protocol.late_import import imported

if TYPE_CHECKING:
    from airflow_batch_events.dispatch.consumer import Consumer

_CONSUMER = (
    "airflow_batch_events.dispatch.consumer_factory",
    "airflow_batch_events.dispatch.shared_consumers",
    "airflow_batch_events.waiting.airflow_metrics",
    "airflow_batch_events.waiting.local_queue",
)

_AT_FIRST_CALL = ("airflow_batch_events.protocol.http_line", "airflow_batch_events.protocol.sdk_adapter", "aiohttp")
"""What the clients import by themselves, which takes longer than all the rest."""


@asynccontextmanager
async def queue_consumer(conn_id: str, region: str | None, queue_name: str | None) -> AsyncIterator[Consumer]:
    """
    Use the running consumer of a queue, or start one.

    :param conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param queue_name: The queue, where ``{hostname}`` is this triggerer's, or None for waits that only poll.
    """
    access, *_ = await asyncio.gather(aget_access(conn_id, region), imported(*_CONSUMER), _import_clients())
    from airflow_batch_events.dispatch.consumer_factory import consumer_key, make_consumer
    from airflow_batch_events.dispatch.shared_consumers import shared_consumer
    from airflow_batch_events.waiting.airflow_metrics import AirflowMetrics
    from airflow_batch_events.waiting.local_queue import queue_name_here

    if queue_name is not None:
        if "{" in queue_name:
            # Not for every name: thousands of waits may begin at once.
            queue_name = await asyncio.to_thread(queue_name_here, queue_name)
        # Fails here, with the place to copy the address from, rather than in the consumer.
        _ = access.required_cmq_endpoint

    def create() -> Consumer:
        queue = {} if queue_name is None else {"queue": queue_name}
        return make_consumer(access, queue_name, AirflowMetrics(conn_id=conn_id, **queue))

    async with shared_consumer(consumer_key(access, queue_name), create) as consumer:
        yield consumer


async def _import_clients() -> None:
    # What cannot be imported is an error of the call that needs it.
    with suppress(ImportError):
        await imported(*_AT_FIRST_CALL)
