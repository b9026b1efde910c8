# SPDX-License-Identifier: Apache-2.0
"""
Messages that cannot be fired, and are left to the dead-letter policy of their queue.

The rule that must not be relaxed: such a message neither ends its trigger nor keeps others from it. It is named in the
log once, counted each time it is delivered, and never tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.dispatch.message_subscriber import Delivery
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.recent_set import RecentSet
from airflow_batch_events.exceptions import NotStorableError
from airflow_batch_events.text import printable

T = TypeVar("T")


class PoisonMessages:
    """
    The poison messages that a trigger has met.

    :param log: Names each of them once.
    :param metrics: Counts each delivery of one.
    """

    def __init__(self, log: Any, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._ids: RecentSet[str] = RecentSet()

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._ids

    def firing(
        self, delivery: Delivery, items: Iterable[T], make: Callable[[T], TriggerEvent | None]
    ) -> list[TriggerEvent]:
        """
        Return what a delivery fires; one of which a part cannot be fired is poison.

        :param delivery: The delivery; one that is known as poison fires nothing more.
        :param items: What is in it.
        :param make: Makes the event of an item, if it fires; whatever it raises belongs to this item.
        """
        if delivery.message_id in self._ids:
            self._metrics.count("events.unstorable")
            return []
        events = []
        for item in items:
            try:
                event = make(item)
            except Exception as error:  # noqa: BLE001 - a trigger is never ended by a message
                self.add(delivery.message_id, error)
            else:
                if event is not None:
                    events.append(event)
        return events

    def add(self, message_id: str, error: Exception) -> None:
        """Note a message; what it holds is never quoted."""
        self._metrics.count("events.unstorable")
        if self._ids.add(message_id):
            reason = str(error) if isinstance(error, NotStorableError) else type(error).__name__
            shown = printable(message_id, 200)
            self._log.warning("Left message %s in its queue, it cannot be fired: %s", shown, reason)
