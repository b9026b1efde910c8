# SPDX-License-Identifier: Apache-2.0
"""
Events as trigger events: for asset watchers, which start DAGs, and for tasks that wait for an event.

A watcher needs every event, so it gets a queue of its own: one more subscription on the same topic. Watchers on one
queue share its reader, but Airflow may give them to different triggerers, and then each sees only a part of the events.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.dispatch.message_subscriber import Delivery, Wants
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import ConfigurationError, ParameterError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.triggers.firing import EventsOf
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.triggers.queue_events import QueueEventTrigger
from airflow_batch_events.waiting.storable import fire


class BatchEventTrigger(QueueEventTrigger):
    """
    Fire for each event that matches; what is left out matches everything.

    Delivery is at least once. A triggerer remembers the last 100,000 events that each watcher has fired and does
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

    stream = "tencent batch events"

    def __init__(
        self,
        queue_name: str = "",
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

    def check(self) -> None:
        """Refuse an event that does not exist, and a filter that was given without a value."""
        super().check()
        for name in ("job_id", "event_vars"):
            value = getattr(self, name)
            if value is not None and not value:
                raise ParameterError(f"{name} is empty: give it a value, or leave it out to match everything")
        self._filter()

    def events_of(self) -> tuple[Wants, EventsOf]:
        """Return which messages have a matching event, and what makes the events of one."""
        try:
            wanted = self._filter()
        except ConfigurationError as error:
            self.log.error("This trigger cannot run: %s", error)
            raise
        return wanted.matches_any, partial(_events_of, wanted)

    @staticmethod
    def identity_of(delivery: Delivery, event: TriggerEvent) -> Hashable:
        """Return the event's id: the same event may come in another message."""
        return str(event.payload["event_id"])

    def _filter(self) -> EventFilter:
        return event_filter(
            events=self.events,
            job_id=self.job_id,
            job_name=self.job_name,
            env_id=self.env_id,
            task_name=self.task_name,
            event_vars=self.event_vars,
            region=self.event_region,
        )


def _events_of(wanted: EventFilter, delivery: Delivery, poison: PoisonMessages) -> list[TriggerEvent]:
    return poison.firing(delivery, delivery.events, partial(_fire, wanted, delivery.message_id))


def _fire(wanted: EventFilter, message_id: str, event: BatchEvent) -> TriggerEvent | None:
    return fire({**event.to_dict(), "event_id": event_id(event, message_id)}) if wanted.matches(event) else None


def event_filter(**wanted: Any) -> EventFilter:
    """
    Make a filter of a trigger's arguments.

    :raises ConfigurationError: For what makes no filter, a parameter of another version among it: to leave it out would
        let more events through.
    """
    try:
        return EventFilter(**wanted)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the events that are waited for are not understood: {error}") from error


def event_id(event: BatchEvent, message_id: str) -> str:
    """
    Return what is the same whenever an event is delivered again, and different for any other event.

    Neither the envelope nor the queue has such an id: a message that is published again gets a new one. Only for an
    event without a time the message has to tell: two that fire are better than one that is lost.
    """
    parts = [None if part is None else str(part) for part in event.identity]
    if event.time is None:
        parts.append(message_id)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
