# SPDX-License-Identifier: Apache-2.0
"""Messages of any kind as trigger events, for Airflow's own ``MessageQueueTrigger``."""

from __future__ import annotations

from collections.abc import Hashable

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.dispatch.message_subscriber import Delivery, Wants
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.triggers.firing import EventsOf
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.triggers.queue_events import QueueEventTrigger
from airflow_batch_events.triggers.shared_stream import everything
from airflow_batch_events.waiting.storable import fire


class CmqMessageTrigger(QueueEventTrigger):
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

    stream = "tencent cmq messages"
    takes_everything = True

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

    def events_of(self) -> tuple[Wants, EventsOf]:
        """Return that every message fires, and what makes its event."""
        return everything, _events_of

    @staticmethod
    def identity_of(delivery: Delivery, event: TriggerEvent) -> Hashable:
        """Return the message's id."""
        return delivery.message_id


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
