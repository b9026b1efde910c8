# SPDX-License-Identifier: Apache-2.0
"""What the triggers have in common that fire for the messages of a queue, in a shared stream or without one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing
from typing import Any, ClassVar

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.shared_stream import SharedStreamProducer, reject_shared_stream_event
from airflow_batch_events.dispatch.message_subscriber import Delivery, Wants
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.triggers.base import WatcherTrigger
from airflow_batch_events.triggers.firing import EventsOf, Firing
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.triggers.shared_stream import (
    QueueProducer,
    StreamItem,
    acknowledge,
    everything,
    handover_of,
    metrics_of,
    stream_key,
)
from airflow_batch_events.triggers.without_stream import run_without_stream


class QueueEventTrigger(WatcherTrigger):
    """A trigger that fires for the messages of a queue."""

    stream: ClassVar[str]
    """What the shared stream carries."""

    takes_everything: ClassVar[bool] = False
    """Whether messages that are no Batch events are wanted, too."""

    @abstractmethod
    def events_of(self) -> tuple[Wants, EventsOf]:
        """
        Return which messages may fire, and what makes the events that one fires.

        :raises ConfigurationError: For arguments that make no sense.
        """

    @staticmethod
    @abstractmethod
    def identity_of(delivery: Delivery, event: TriggerEvent) -> Hashable:
        """Return what an event is recognized by when it comes again."""

    def shared_stream_key(self) -> Hashable:
        """Share one stream among all triggers on one queue."""
        return stream_key(self.stream, self, self.tencentcloud_conn_id, self.region, self.queue_name)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Read the queue for all triggers of the stream."""
        return QueueProducer.of(kwargs, everything=cls.takes_everything)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[StreamItem]) -> AsyncIterator[TriggerEvent]:
        """Fire for what is wanted, before the next message is asked for; what has fired does not fire again."""
        self.note_unknown()
        _, events_of = self.events_of()
        firing = self._firing(events_of, metrics_of(self))
        is_for_task, handover = self.task_instance is not None, handover_of(self)
        async for item in shared_stream:
            item.redeliver = item.redeliver or is_for_task
            for event in firing.new(item.delivery, firing.of(item.delivery)):
                await handover.passed()
                yield event
                if is_for_task:
                    await acknowledge(item)
                    return
            if firing.is_poison(item.delivery):
                reject_shared_stream_event()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for what is wanted, without a shared stream; what has fired does not fire again."""
        self.note_unknown()
        wants, events_of = self.events_of()

        def firing(metrics: Metrics) -> Firing:
            return self._firing(events_of, metrics)

        every = everything if self.takes_everything else bool
        async with aclosing(run_without_stream(self, wants, every, firing)) as events:
            async for event in events:
                yield event

    def _firing(self, events_of: EventsOf, metrics: Metrics) -> Firing:
        return Firing(events_of, self.identity_of, PoisonMessages(self.log, metrics))
