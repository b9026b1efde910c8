# SPDX-License-Identifier: Apache-2.0
"""
Let a subscriber see every message that the shared reader receives, and say when each may be deleted.

A wait needs the message about its job. A watcher that starts DAGs needs every message, and a message that it has taken
must not be deleted before what it fired is stored. So a delivery is deleted when every subscriber that took it has said
so, and left to come back when one of them has not.

A message that a subscriber holds comes back after each visibility timeout. It is not held again: only its receipt
handle is new, and the newest one deletes it. A subscriber that is full makes the reader wait for a moment, because
Airflow takes a hundred events a second from a watcher. One that stays full is blocked: it is offered nothing until it
is half empty, and the others go on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum

from airflow_batch_events.events.message import BatchEvent

Wants = Callable[[tuple[BatchEvent, ...]], bool]

MAX_OPEN = 512
"""Deliveries that a subscriber holds before it is full, by default; Airflow fails a watcher that has 1,024 waiting."""

BACK_PRESSURE = 5.0
"""Seconds for which the reader waits for a full subscriber, in all, until it has been half empty again."""


class Offer(Enum):
    """What became of a delivery that a subscriber was offered."""

    UNWANTED = "unwanted"
    TAKEN = "taken"
    LEFT = "left"


@dataclass(eq=False)
class Delivery:
    """
    A message on its way to subscribers.

    :param message_id: The queue's id of the message.
    :param body: The message's body.
    :param enqueue_time: Unix seconds at which it came into the queue.
    :param dequeue_count: How often it was received, where the queue says so.
    :param events: The Batch events in it; empty for any other message.
    :param receipt_handle: What deletes it: of the last time that it was received.
    """

    message_id: str
    body: str
    enqueue_time: float
    dequeue_count: int | None
    events: tuple[BatchEvent, ...]
    receipt_handle: str = field(repr=False)
    _on_done: Callable[[Delivery, bool], None] = field(repr=False)
    _holders: set[MessageSubscriber] = field(default_factory=set, repr=False)
    _done: set[MessageSubscriber] = field(default_factory=set, repr=False)
    _is_left: bool = False

    @property
    def is_held(self) -> bool:
        """Whether a subscriber holds it."""
        return bool(self._holders)

    def is_known_to(self, subscriber: MessageSubscriber) -> bool:
        """Whether the subscriber holds it, or has stored what came of it."""
        return subscriber in self._holders or subscriber in self._done

    def received_again(self, receipt_handle: str) -> None:
        """Take the handle that deletes it from now on; a subscriber that has left it may have it again."""
        self.receipt_handle = receipt_handle
        self._is_left = False

    def hold(self, subscriber: MessageSubscriber) -> None:
        """Note that a subscriber holds it."""
        self._holders.add(subscriber)

    def leave(self) -> None:
        """Let it come back, because a subscriber that wants it cannot take it now."""
        self._is_left = True

    def settle(self, subscriber: MessageSubscriber, *, is_stored: bool) -> None:
        """
        Note that a subscriber is done with it.

        :param subscriber: The subscriber.
        :param is_stored: Whether what came of it is stored; otherwise the message is left and comes back.
        """
        self._holders.discard(subscriber)
        if is_stored:
            self._done.add(subscriber)
        else:
            self._is_left = True
        if not self._holders:
            self._on_done(self, not self._is_left)


class MessageSubscriber:
    """
    Sees the messages; iterate over it for deliveries and settle each of them.

    :param wants: Says by a message's events whether the message is wanted; by default, if it has any.
    :param capacity: Deliveries that it holds before it is full: at least as many as it settles together.
    :param name: What a log line calls it.
    :param max_size: Characters of the bodies that it holds before it is full; by default, of any length.
    """

    def __init__(
        self, wants: Wants = bool, *, capacity: int = MAX_OPEN, name: str = "a subscriber", max_size: float = math.inf
    ) -> None:
        self.name = name
        self.is_blocked = False
        self._wants = wants
        self._capacity = max(1, capacity)
        self._max_size = max_size
        self._size = 0
        self._deliveries: asyncio.Queue[Delivery | Exception] = asyncio.Queue()
        self._held: set[Delivery] = set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._time_left = BACK_PRESSURE
        self._full_since = 0.0

    @property
    def is_full(self) -> bool:
        """Whether it holds as much as it may."""
        return not self._has_room.is_set()

    @property
    def _load(self) -> float:
        """How full it is; from 1 on it is full."""
        return max(len(self._held) / self._capacity, self._size / self._max_size)

    def offer(self, delivery: Delivery) -> Offer:
        """Take the delivery if it is wanted and was not taken before, unless the subscriber is blocked."""
        if delivery.is_known_to(self):
            return Offer.TAKEN
        if not self._wants(delivery.events):
            return Offer.UNWANTED
        if self.is_blocked:
            return Offer.LEFT
        delivery.hold(self)
        self._held.add(delivery)
        self._size += len(delivery.body)
        if self._load >= 1 and not self.is_full:
            self._has_room.clear()
            self._full_since = asyncio.get_running_loop().time()
        self._deliveries.put_nowait(delivery)
        return Offer.TAKEN

    def take_no_more(self) -> None:
        """Keep what is held until it is settled, and let the reader go on without this subscriber."""
        self._wants = _nothing
        self.is_blocked = True
        self._has_room.set()

    def fail(self, error: Exception) -> None:
        """End the iteration with an error."""
        self._deliveries.put_nowait(error)

    async def wait_for_room(self) -> None:
        """Wait until the subscriber can hold more, unless that takes too long in all, which blocks it."""
        if not self.is_full or self.is_blocked:
            return
        waiting = asyncio.ensure_future(self._has_room.wait())
        try:
            full_for = asyncio.get_running_loop().time() - self._full_since
            await asyncio.wait([waiting], timeout=max(0.0, self._time_left - full_for))
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        self.is_blocked = self.is_full

    def settle(self, delivery: Delivery, *, is_stored: bool) -> None:
        """Be done with a delivery; see :meth:`Delivery.settle`."""
        if delivery not in self._held:
            return
        self._held.discard(delivery)
        self._size -= len(delivery.body)
        if self._load < 1 and self.is_full:
            self._time_left = max(0.0, self._time_left - (asyncio.get_running_loop().time() - self._full_since))
            self._has_room.set()
        if self._load <= 0.5:
            self._time_left = BACK_PRESSURE
            self.is_blocked = False
        delivery.settle(self, is_stored=is_stored)

    def close(self) -> None:
        """Let the reader go on; what was not settled comes back."""
        for delivery in list(self._held):
            self.settle(delivery, is_stored=False)

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        while True:
            item = await self._deliveries.get()
            if isinstance(item, Exception):
                raise item
            yield item


def _nothing(events: tuple[BatchEvent, ...]) -> bool:
    return False
