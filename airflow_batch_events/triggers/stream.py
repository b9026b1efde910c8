# SPDX-License-Identifier: Apache-2.0
"""
The queue as one of Airflow's shared streams: one reader for all watchers, and messages are deleted last.

The stream is a tap on the same consumer that serves the waits for jobs, so a triggerer reads a queue once, whatever it
is read for. Airflow says through :meth:`QueueProducer.advance` that everything a message has fired is in its database;
only then is the message deleted. A watcher that failed on it leaves it to come back: delivery is at least once.

After a restart the watchers of a queue join its stream one after the other, and Airflow counts a message as handled
when those that have joined have handled it. So what comes in the first half minute is left to come back once, when all
are there; the watchers recognise what they have fired already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from airflow_batch_events.dispatch.cloud import consumer_key, make_consumer
from airflow_batch_events.dispatch.consumer import Consumer
from airflow_batch_events.dispatch.registry import shared_consumer
from airflow_batch_events.dispatch.tap import Delivery, Tap
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.hooks.connection import aget_access
from airflow_batch_events.triggers.metrics import AirflowMetrics

JOIN_GRACE = 30.0
"""Seconds from the start of a stream during which further watchers may join it and must not miss anything."""


def everything(events: tuple[BatchEvent, ...]) -> bool:
    """Want every message, whatever is in it."""
    return True


@asynccontextmanager
async def queue_consumer(conn_id: str, region: str | None, queue_name: str | None) -> AsyncIterator[Consumer]:
    """
    Use the running consumer of a queue, or start one.

    :param conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param queue_name: The queue, or None for waits that live on looks alone.
    """
    access = await aget_access(conn_id, region)
    if queue_name is not None:
        # Fails here, with the place to copy the address from, rather than in the consumer.
        _ = access.required_cmq_endpoint
    key = consumer_key(access, queue_name)
    async with shared_consumer(key, lambda: make_consumer(access, queue_name, AirflowMetrics())) as consumer:
        yield consumer


class QueueProducer(SharedStreamProducer):
    """
    The broker's half of the stream.

    :param conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param queue_name: The queue.
    :param everything: Whether messages that are no Batch events are wanted, too.
    """

    def __init__(self, conn_id: str, region: str | None, queue_name: str, *, everything: bool = False) -> None:
        self._conn_id = conn_id
        self._region = region
        self._queue_name = queue_name
        self._everything = everything
        self._resources = AsyncExitStack()
        self._tap: Tap | None = None
        self._started = 0.0
        self._early: set[str] = set()

    async def open_stream(self) -> AsyncIterator[tuple[Delivery, Delivery]]:
        """Yield each message twice: as the raw event, and as what is to be settled."""
        consumer = await self._resources.enter_async_context(
            queue_consumer(self._conn_id, self._region, self._queue_name)
        )
        self._tap = self._resources.enter_context(consumer.tap(everything if self._everything else bool))
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        async for delivery in self._tap:
            if loop.time() - self._started < JOIN_GRACE:
                self._early.add(delivery.message_id)
            else:
                self._early.discard(delivery.message_id)
            yield delivery, delivery

    def get_advance_lane(self, broker_payload: Delivery) -> Hashable:
        """Let no message wait for another: the queue keeps no order."""
        return broker_payload.message_id

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Delete what every watcher has moved past with all that it fired stored; leave the rest."""
        for item in batch:
            if self._tap is not None:
                outcome, delivery = item.outcome, item.broker_payload
                is_handled = outcome.failed == 0 and outcome.acked > 0 and delivery.message_id not in self._early
                self._tap.settle(delivery, is_stored=is_handled)

    async def aclose(self) -> None:
        """Let go of the queue."""
        await self._resources.aclose()
