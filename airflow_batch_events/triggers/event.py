# SPDX-License-Identifier: Apache-2.0
"""
Events as trigger events: for asset watchers, which start DAGs, and for tasks that wait for an event.

A watcher needs every event, so it gets a queue of its own: one more subscription on the same topic. Watchers on one
queue share its reader, but Airflow may give them to different triggerers, and then each sees only a part of the events.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamProducer

from airflow_batch_events.dispatch.seen import Seen
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.triggers.hold import hold_until
from airflow_batch_events.triggers.stream import QueueProducer, StreamItem, hold_of, queue_consumer, stream_key, take


class BatchEventTrigger(BaseEventTrigger):
    """
    Fire for each event that matches; what is left out matches everything.

    Delivery is at least once. A triggerer remembers the last ten thousand events that each watcher has fired and does
    not fire them again, however often they are delivered, a rewind of the queue included. After it was killed an event
    may fire again; then it has the same ``event_id``. The payload is the event: ``event_id``, ``event_name``,
    ``event_time``, ``region``, ``event_vars``, ``job_id`` and the cloud's ``batch`` object.

    For a task that defers with this trigger, the first event that matches fires; other messages are left in the queue.

    :param queue_name: The queue; one that only this watcher's triggerers read.
    :param events: Event names in either spelling.
    :param job_id: A job id, or a list of them.
    :param job_name: A pattern of the job's name with ``*``, ``?`` and ``[...]``.
    :param env_id: A compute environment's id.
    :param task_name: A task's name, or a pattern.
    :param event_vars: Custom parameters that must all be there with these values.
    :param event_region: The region that the event names, for example ``ap-guangzhou``.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    """

    def __init__(
        self,
        queue_name: str,
        events: Sequence[str] | None = None,
        job_id: str | Sequence[str] | None = None,
        job_name: str | None = None,
        env_id: str | None = None,
        task_name: str | None = None,
        event_vars: Mapping[str, str] | None = None,
        event_region: str | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
    ) -> None:
        super().__init__()
        self.queue_name = queue_name
        self.events = events
        self.job_id = job_id
        self.job_name = job_name
        self.env_id = env_id
        self.task_name = task_name
        self.event_vars = event_vars
        self.event_region = event_region
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        # Names are checked when the DAG is parsed, not when the first event comes.
        self._filter()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "queue_name": self.queue_name,
                "events": None if self.events is None else list(self.events),
                "job_id": self.job_id if self.job_id is None or isinstance(self.job_id, str) else list(self.job_id),
                "job_name": self.job_name,
                "env_id": self.env_id,
                "task_name": self.task_name,
                "event_vars": None if self.event_vars is None else dict(self.event_vars),
                "event_region": self.event_region,
                "tencentcloud_conn_id": self.tencentcloud_conn_id,
                "region": self.region,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Share one stream among all triggers on one queue."""
        return stream_key("tencent batch events", self, self.tencentcloud_conn_id, self.region, self.queue_name)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Read the queue for all triggers of the stream."""
        return QueueProducer(kwargs["tencentcloud_conn_id"], kwargs["region"], kwargs["queue_name"])

    async def filter_shared_stream(self, shared_stream: AsyncIterator[StreamItem]) -> AsyncIterator[TriggerEvent]:
        """Fire for the events that match, before the next message is asked for; what has fired does not fire again."""
        wanted = self._filter()
        fired: Seen[Hashable] = Seen()
        is_for_task, not_before = self.task_instance is not None, hold_of(self)
        async for item in shared_stream:
            item.is_left = item.is_left or is_for_task
            for event in item.delivery.events:
                if wanted.matches(event) and fired.add(event.identity):
                    await hold_until(not_before)
                    yield TriggerEvent(_payload(event))
                    if is_for_task:
                        await take(item)
                        return

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire for the events that match, without a shared stream: in a DAG test, which takes the first one only."""
        wanted = self._filter()
        async with queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name) as consumer:
            with consumer.tap(wanted.matches_any) as tap:
                async for delivery in tap:
                    # Nobody will say that anything is stored.
                    tap.settle(delivery, is_stored=True)
                    for event in filter(wanted.matches, delivery.events):
                        yield TriggerEvent(_payload(event))

    def _filter(self) -> EventFilter:
        return EventFilter(
            events=self.events,
            job_id=self.job_id,
            job_name=self.job_name,
            env_id=self.env_id,
            task_name=self.task_name,
            event_vars=self.event_vars,
            region=self.event_region,
        )


def _payload(event: BatchEvent) -> dict[str, Any]:
    return {**event.to_dict(), "event_id": event_id(event)}


def event_id(event: BatchEvent) -> str:
    """
    Return what is the same whenever an event is delivered again, and different for any other event.

    Neither the envelope nor the queue has such an id: a message that is published again gets a new one.
    """
    parts = [None if part is None else str(part) for part in event.identity]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
