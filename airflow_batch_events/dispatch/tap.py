# SPDX-License-Identifier: Apache-2.0
"""
Let somebody see every message that the shared reader receives, and say when each may be deleted.

Waits need the message about their job; a watcher that starts DAGs needs them all, and a message that it has seen must
not be deleted before what it fired is stored. So a delivery is deleted when every tap that took it has said so, and
left to come back when one of them has not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from airflow_batch_events.events.message import BatchEvent

Wants = Callable[[tuple[BatchEvent, ...]], bool]

MAX_OPEN = 512
"""Deliveries that a tap may hold before the reader waits for it; Airflow fails a watcher that has 1,024 waiting."""


@dataclass
class Delivery:
    """
    A message on its way to taps.

    :param message_id: The queue's id of the message.
    :param body: The message's body.
    :param enqueue_time: Unix seconds at which it came into the queue.
    :param dequeue_count: How often it was received, where the queue says so.
    :param events: The Batch events in it; empty for any other message.
    """

    message_id: str
    body: str
    enqueue_time: float
    dequeue_count: int | None
    events: tuple[BatchEvent, ...]
    _delete: Callable[[], None] = field(repr=False)
    _takers: int = 0
    _is_kept: bool = False

    def taken(self) -> None:
        """Note that a tap has taken it."""
        self._takers += 1

    def settle(self, *, is_stored: bool) -> None:
        """
        Note that a tap is done with it.

        :param is_stored: Whether what came of it is stored; otherwise the message is left and comes back.
        """
        self._takers -= 1
        self._is_kept = self._is_kept or not is_stored
        if self._takers == 0 and not self._is_kept:
            self._delete()


class Tap:
    """
    One who sees the messages; iterate over it for deliveries and settle each of them.

    :param wants: Says by a message's events whether the message is wanted; by default, if it has any.
    """

    def __init__(self, wants: Wants = bool) -> None:
        self._wants = wants
        self._deliveries: asyncio.Queue[Delivery | Exception] = asyncio.Queue()
        self._open = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def offer(self, delivery: Delivery) -> bool:
        """Take the delivery if it is wanted."""
        if not self._wants(delivery.events):
            return False
        delivery.taken()
        self._open += 1
        if self._open >= MAX_OPEN:
            self._has_room.clear()
        self._deliveries.put_nowait(delivery)
        return True

    def fail(self, error: Exception) -> None:
        """End the iteration with an error."""
        self._deliveries.put_nowait(error)

    async def room(self) -> None:
        """Wait until the tap can hold more."""
        await self._has_room.wait()

    def settle(self, delivery: Delivery, *, is_stored: bool) -> None:
        """Be done with a delivery; see :meth:`Delivery.settle`."""
        self._open -= 1
        if self._open < MAX_OPEN:
            self._has_room.set()
        delivery.settle(is_stored=is_stored)

    def close(self) -> None:
        """Let the reader go on; what was not settled comes back."""
        self._has_room.set()

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        while True:
            item = await self._deliveries.get()
            if isinstance(item, Exception):
                raise item
            yield item
