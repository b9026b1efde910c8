# SPDX-License-Identifier: Apache-2.0
"""Messages of any kind as trigger events, for Airflow's own ``MessageQueueTrigger``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.shared_stream import SharedStreamProducer, reject_shared_stream_event
from airflow_batch_events.dispatch.message_subscriber import Delivery
from airflow_batch_events.dispatch.recent_set import RecentSet
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.triggers.base import WatcherTrigger
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.triggers.shared_stream import (
    MAX_FIRED,
    QueueProducer,
    StreamItem,
    acknowledge,
    everything,
    fire_without_stream,
    handover_of,
    metrics_of,
    stream_key,
)
from airflow_batch_events.waiting.storable import fire


class CmqMessageTrigger(WatcherTrigger):
    """
    Fire for each message of a queue, whatever is in it; the message is deleted after what it fired is stored.

    The payload is ``{"message_id", "body", "enqueue_time", "events"}``; ``events`` are the Batch events in the body, if
    there are any. A message that is delivered again, after a rewind of the queue too, has the same ``message_id``; a
    triggerer does not fire it again unless it was restarted. For a task that defers with this trigger, the first
    message fires.

    :param queue_name: The queue; one that only this trigger's triggerers read.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    """

    def __init__(
        self,
        queue_name: str = "",
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
    ) -> None:
        super().__init__()
        self.queue_name = queue_name
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def shared_stream_key(self) -> Hashable:
        """Share one stream among all triggers on one queue."""
        return stream_key("tencent cmq messages", self, self.tencentcloud_conn_id, self.region, self.queue_name)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Read the queue for all triggers of the stream."""
        return QueueProducer.of(kwargs, everything=True)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[StreamItem]) -> AsyncIterator[TriggerEvent]:
        """Fire for each message, before the next one is asked for; what has fired does not fire again."""
        self.note_unknown()
        poison = PoisonMessages(self.log, metrics_of(self))
        fired: RecentSet[Hashable] = RecentSet(MAX_FIRED)
        is_for_task, handover = self.task_instance is not None, handover_of(self)
        async for item in shared_stream:
            for event in _events_of(item.delivery, poison):
                if fired.add(item.delivery.message_id):
                    await handover.passed()
                    yield event
                    if is_for_task:
                        await acknowledge(item)
                        return
            if item.delivery.message_id in poison:
                reject_shared_stream_event()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for each message, without a shared stream: in a DAG test, which takes the first one only."""
        self.note_unknown()
        async with aclosing(fire_without_stream(self, everything, _events_of)) as events:
            async for event in events:
                yield event


def _events_of(delivery: Delivery, poison: PoisonMessages) -> list[TriggerEvent]:
    return poison.firing(delivery, [delivery], _fire)


def _fire(delivery: Delivery) -> TriggerEvent:
    return fire(
        {
            "message_id": delivery.message_id,
            "body": delivery.body,
            "enqueue_time": delivery.enqueue_time,
            "events": [event.to_dict() for event in delivery.events],
        }
    )
