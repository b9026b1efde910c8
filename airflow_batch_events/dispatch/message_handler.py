# SPDX-License-Identifier: Apache-2.0
"""
Hand out what is in a message: to the waits, and to those who see every message.

Subscribers come first in the decision who deletes it (see ``deleter.py``) and last in time, because a wait must not be
later for them. What one event or one subscriber raises costs the others nothing, and leaves the message in the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from airflow_batch_events.dispatch.deleter import Deleter, Standing, may_delete, standing_of
from airflow_batch_events.dispatch.loops.supervision import Isolation
from airflow_batch_events.dispatch.message_subscriber import Delivery, MessageSubscriber, Offer
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.recent_set import FirstSeen, RecentSet
from airflow_batch_events.events.message import BatchEvent, parse_message
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.text import printable

log = logging.getLogger(__name__)


class Message(Protocol):
    """A received message, as far as it is handled."""

    @property
    def body(self) -> str: ...

    @property
    def message_id(self) -> str: ...

    @property
    def receipt_handle(self) -> str: ...

    @property
    def enqueue_time(self) -> float: ...

    @property
    def dequeue_count(self) -> int | None: ...


class Handled(NamedTuple):
    """
    What came of a message.

    :param is_ours: Whether somebody here took it, or it is deleted.
    :param is_left: Whether a subscriber wants it and cannot take it now.
    """

    is_ours: bool
    is_left: bool


class MessageHandler:
    """
    Hand out messages, one after the other.

    :param name: What log lines call the queue.
    :param take: Hands one event out; returns whether a wait here took it.
    :param deleter: Deletes messages.
    :param clock: The cloud's time.
    :param orphan_ttl: Seconds for which an event that no wait here takes is left in the queue.
    :param metrics: Where counts and measurements go.
    :param isolation: Keeps what goes wrong with one message from the others.
    :param subscribers: Who sees every message; the set may change at any time.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[BatchEvent], bool],
        deleter: Deleter,
        clock: CloudClock,
        orphan_ttl: float,
        metrics: Metrics,
        isolation: Isolation,
        subscribers: Collection[MessageSubscriber],
    ) -> None:
        self._name = name
        self._take = take
        self._deleter = deleter
        self._clock = clock
        self._orphan_ttl = orphan_ttl
        self._metrics = metrics
        self._isolation = isolation
        self._subscribers = subscribers
        self._held: dict[str, Delivery] = {}
        self._orphans: FirstSeen[str] = FirstSeen()
        self._unreadable: RecentSet[str] = RecentSet()

    def handle(self, message: Message, *, is_crowded: bool) -> Handled:
        """
        Hand out what is in the message and see to its deletion.

        :param message: The message.
        :param is_crowded: Whether the queue is full of others' messages, each of which would be worth no log line.
        """
        parsed = parse_message(message.body)
        takers = [self._is_taken(event, message.message_id) for event in parsed.events]
        now = self._clock.now()
        self._metrics.time("lag.enqueue", max(0.0, now - message.enqueue_time))
        offer, is_left = self._offer(message, parsed.events)
        standing = standing_of(parsed, offer, takers)
        age = 0.0
        if standing is Standing.ORPHAN:
            received_for = self._orphans.age(message.message_id, asyncio.get_running_loop().time())
            age = min(received_for, now - message.enqueue_time)
            self._metrics.count("events.orphaned")
        elif standing is Standing.FOREIGN:
            self._report_foreign(message, parsed.problem, is_crowded)
        is_deleted = may_delete(standing, age, self._orphan_ttl)
        if is_deleted:
            if age:
                self._orphans.forget(message.message_id)
            self._deleter.add(message.receipt_handle)
        return Handled(is_deleted or standing is Standing.SUBSCRIBED, is_left)

    def _is_taken(self, event: BatchEvent, message_id: str) -> bool:
        with self._isolation.of("event in message", message_id):
            return self._take(event)
        return False

    def _offer(self, message: Message, events: tuple[BatchEvent, ...]) -> tuple[Offer, bool]:
        """Offer the message to every subscriber; return what became of it, and whether one of them has left it."""
        if not self._subscribers:
            return Offer.UNWANTED, False
        # Two messages without an id are two messages.
        key = message.message_id or message.receipt_handle
        delivery = self._held.get(key)
        if delivery is not None:
            delivery.received_again(message.receipt_handle)
        else:
            delivery = Delivery(
                message_id=message.message_id,
                body=message.body,
                enqueue_time=message.enqueue_time,
                dequeue_count=message.dequeue_count,
                events=events,
                receipt_handle=message.receipt_handle,
                _on_done=lambda delivery, is_stored: self._on_settled(key, delivery, is_stored),
            )
        result, is_left = Offer.UNWANTED, False
        for subscriber in list(self._subscribers):
            # A subscriber that fails on the message may want it.
            offer = Offer.LEFT
            with self._isolation.of(f"question whether {subscriber.name} wants message", message.message_id):
                offer = subscriber.offer(delivery)
            if offer is Offer.LEFT:
                delivery.leave()
                is_left = True
            if result is Offer.UNWANTED:
                result = offer
        if delivery.is_held:
            self._held[key] = delivery
            return Offer.TAKEN, is_left
        return result, is_left

    def _on_settled(self, key: str, delivery: Delivery, is_stored: bool) -> None:
        self._held.pop(key, None)
        if is_stored:
            self._deleter.add(delivery.receipt_handle)

    def _report_foreign(self, message: Message, problem: str | None, is_crowded: bool) -> None:
        if problem is None:
            # An event, if not one of Batch's, that no wait here takes.
            self._metrics.count("events.orphaned")
            return
        self._metrics.count("events.unreadable")
        if not self._unreadable.add(message.message_id):
            return
        level = logging.DEBUG if is_crowded else logging.WARNING
        log.log(level, "Left message %s in %s: %s", printable(message.message_id, 200), self._name, problem)
        log.debug("Body of message %s: %s", printable(message.message_id, 200), printable(message.body, 2000))
