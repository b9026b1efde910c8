# SPDX-License-Identifier: Apache-2.0
"""
Sleep between two looks at the API, until an event says that there is something to see.

An event only wakes; what is true, the look says. So a message may be deleted as soon as it has woken somebody: whoever
dies before the look looks first when it begins anew. Many events at once, as when a hundred nodes start, must cost few
looks: the account has two calls a second for all that it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from airflow_batch_events.dispatch.consumer import Consumer
from airflow_batch_events.dispatch.message_subscriber import MessageSubscriber
from airflow_batch_events.dispatch.supervision import keep_running
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import BatchEventsError

MIN_SLEEP = 2.0
"""Seconds that a sleep lasts at the least when events come one after the other."""


class EventWakeup:
    """
    A sleep that events end; without a reader it is a plain one.

    :param min_sleep: Seconds between two wakings at the least.
    """

    def __init__(self, min_sleep: float = MIN_SLEEP) -> None:
        self._min_sleep = min_sleep
        self._rung = asyncio.Event()
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
        rests = min(ends, loop.time() + self._min_sleep)
        ringing = asyncio.ensure_future(self._rung.wait())
        waits: list[asyncio.Task[Any]] = [ringing] if self._reader is None else [ringing, self._reader]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ringing.cancel()
            await asyncio.gather(ringing, return_exceptions=True)
        if self._reader is not None and self._reader.done():
            self._reader.result()
        if not self._rung.is_set():
            return False
        await asyncio.sleep(max(0.0, rests - loop.time()))
        self._rung.clear()
        return True

    @asynccontextmanager
    async def rung_by(self, consumer: Consumer, wants: Callable[[Iterable[BatchEvent]], bool]) -> AsyncIterator[None]:
        """
        Ring for events of a queue, as long as the context lasts.

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
            self._rung.set()
            subscriber.settle(delivery, is_stored=True)
