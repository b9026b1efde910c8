# SPDX-License-Identifier: Apache-2.0
"""
Sleep between two polls of the API, until an event says that something has changed.

An event only wakes; the poll tells what is true. So a message may be deleted as soon as it has woken a wait: one that
is interrupted before its poll begins with a poll when it is started anew. Many events at once, as when a hundred nodes
start, must cost few polls, because an account may have no more than two calls a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow_batch_events.dispatch.loops.supervision import keep_running
from airflow_batch_events.dispatch.message_subscriber import MessageSubscriber
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import BatchEventsError

if TYPE_CHECKING:
    from airflow_batch_events.dispatch.consumer import Consumer

MIN_SLEEP = 2.0
"""Seconds that a sleep lasts at the least when events come one after the other."""


class EventWakeup:
    """
    A sleep that events end; without a reader it is a plain one.

    :param min_sleep: Seconds between two wakings at the least.
    """

    def __init__(self, min_sleep: float = MIN_SLEEP) -> None:
        self._min_sleep = min_sleep
        self._woken = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> bool:
        """
        Sleep for so long, or until an event has come since the sleep before.

        :param seconds: The time that passes without events.
        :return: Whether an event has ended the sleep.
        :raises ConfigurationError: When the queue does not exist or the keys are refused at first contact.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        earliest = min(ends, loop.time() + self._min_sleep)
        waking = asyncio.ensure_future(self._woken.wait())
        waits: list[asyncio.Task[Any]] = [waking] if self._reader is None else [waking, self._reader]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)
        if self._reader is not None and self._reader.done():
            self._reader.result()
        if not self._woken.is_set():
            return False
        await asyncio.sleep(max(0.0, earliest - loop.time()))
        self._woken.clear()
        return True

    @asynccontextmanager
    async def woken_by(self, consumer: Consumer, wants: Callable[[Iterable[BatchEvent]], bool]) -> AsyncIterator[None]:
        """
        End sleeps for events of a queue, as long as the context lasts.

        :param consumer: The queue's reader.
        :param wants: Says by a message's events whether one of them is wanted.
        """
        with consumer.subscriber(wants, name="a wait that events wake") as subscriber:
            reading = keep_running("wakeup", lambda: self._read(subscriber), consumer.metrics, ends=(BatchEventsError,))
            self._reader = asyncio.ensure_future(reading)
            try:
                yield
            finally:
                self._reader.cancel()
                await asyncio.gather(self._reader, return_exceptions=True)
                self._reader = None

    async def _read(self, subscriber: MessageSubscriber) -> None:
        async for delivery in subscriber:
            self._woken.set()
            subscriber.settle(delivery, is_stored=True)
