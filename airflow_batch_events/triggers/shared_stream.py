# SPDX-License-Identifier: Apache-2.0
"""
The queue as one of Airflow's shared streams: one reader for all watchers, and messages are deleted last.

The stream is a subscriber of the same consumer that serves the waits for jobs, so a triggerer reads a queue once,
whatever it is read for. Airflow says through :meth:`QueueProducer.advance` that everything a message has fired is in
its database; only then is the message deleted. A watcher that failed on it leaves it to come back: delivery is at least
once.

After a restart the watchers of a queue join its stream one after the other, and Airflow counts a message as handled
when those that have joined have handled it. So what comes in the first half minute is left to come back once, when all
are there; the watchers recognize what they have fired already.

A deferred task that uses one of these triggers wants one event. It has a stream of its own, which nobody joins, takes
the message with that event, and leaves the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseEventTrigger

from airflow_batch_events.airflow_compat.deferral import Handover, handover_seconds
from airflow_batch_events.airflow_compat.shared_stream import (
    JOIN_GRACE,
    AdvanceItem,
    SharedStreamProducer,
    until_stored,
)
from airflow_batch_events.dispatch.message_subscriber import Delivery, MessageSubscriber
from airflow_batch_events.dispatch.metrics import IsolatedMetrics, Metrics
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.triggers.base import hashable
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.waiting.airflow_metrics import AirflowMetrics

log = logging.getLogger(__name__)

MAX_UNDER_WAY = 16 * 2**20
"""
Characters of the messages that a stream holds until what they fired is stored. All that fires in a second goes to the
triggerer's supervisor at once, which takes some 10 MiB a second, and a triggerer for dead that is silent for 30.
"""


@dataclass
class StreamItem:
    """
    A message in the stream.

    :param delivery: The message.
    :param redeliver: Whether it is not deleted and comes back, because somebody who is not here yet may want it.
    """

    delivery: Delivery
    redeliver: bool


def stream_key(kind: str, trigger: BaseEventTrigger, *queue: Hashable) -> Hashable:
    """
    Name the stream of a trigger.

    :param kind: What the stream carries.
    :param trigger: A watcher's, which shares the stream, or a deferred task's, which has its own.
    :param queue: What names the queue.
    """
    task = trigger.task_instance
    names = map(hashable, queue)
    return (kind, *names) if task is None else (kind, *names, str(getattr(task, "id", id(trigger))))


def handover_of(trigger: BaseEventTrigger) -> Handover:
    """Return the time during which a deferred task's trigger must not fire; none for a watcher's."""
    return Handover(None if trigger.task_instance is None else handover_seconds())


def metrics_of(trigger: Any) -> Metrics:
    """Return where a trigger counts, in the same way as the consumer of its queue."""
    return IsolatedMetrics(AirflowMetrics(conn_id=str(trigger.tencentcloud_conn_id), queue=str(trigger.queue_name)))


async def acknowledge(item: StreamItem) -> None:
    """
    Let a message be deleted that has fired for a deferred task; to be awaited after its event.

    It is deleted when the trigger is cancelled, and that is cancelled when its event was stored.
    """
    item.redeliver = False
    await until_stored()


def everything(events: tuple[BatchEvent, ...]) -> bool:
    """Want every message, whatever is in it."""
    return True


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
        self._subscriber: MessageSubscriber | None = None

    @classmethod
    def of(cls, kwargs: Mapping[str, Any], *, everything: bool = False) -> QueueProducer:
        """Make the producer for a trigger's arguments, whichever version has stored them."""
        conn_id = kwargs.get("tencentcloud_conn_id") or DEFAULT_CONN_ID
        return cls(conn_id, kwargs.get("region"), kwargs.get("queue_name") or "", everything=everything)

    async def open_stream(self) -> AsyncIterator[tuple[StreamItem, StreamItem]]:
        """Yield each message twice: as the raw event, and as what is to be settled."""
        if not isinstance(self._queue_name, str) or not self._queue_name:
            raise ConfigurationError(f"queue_name is a {type(self._queue_name).__name__}, must be the queue's name")
        consumer = await self._resources.enter_async_context(
            queue_consumer(self._conn_id, self._region, self._queue_name)
        )
        wants = everything if self._everything else bool
        self._subscriber = self._resources.enter_context(consumer.subscriber(wants, max_size=MAX_UNDER_WAY))
        loop = asyncio.get_running_loop()
        started = loop.time()
        async for delivery in self._subscriber:
            item = StreamItem(delivery, redeliver=loop.time() - started < JOIN_GRACE)
            yield item, item

    def get_advance_lane(self, broker_payload: StreamItem) -> Hashable:
        """Let no message wait for another: the queue keeps no order."""
        return broker_payload.delivery.message_id

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """
        Delete what every watcher has moved past with all that it fired stored; leave the rest.

        What a watcher has rejected, because it cannot be fired, is left to the dead-letter policy.
        """
        for item, outcome in batch:
            try:
                if self._subscriber is not None:
                    self._subscriber.settle(item.delivery, is_stored=outcome.is_clean and not item.redeliver)
            except Exception:
                # Raised from here, it would end the stream for all watchers, and lose what follows in the batch.
                log.exception("Cannot settle a message of %s", self._queue_name)

    async def aclose(self) -> None:
        """Let go of the queue."""
        await self._resources.aclose()
