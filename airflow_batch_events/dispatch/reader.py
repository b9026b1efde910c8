# SPDX-License-Identifier: Apache-2.0
"""
Read one queue as long as anybody waits: long poll, hand out, delete last, back off.

Nothing but cancellation stops the loop once a receive has succeeded; what stops it before that, see
``first_contact.py``. A message whose handling fails is left, and the next one is handled. What becomes of a message is
decided in ``message_handler.py`` and ``deleter.py``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_batch_events.dispatch.deleter import Deleter
from airflow_batch_events.dispatch.first_contact import READER_ERRORS
from airflow_batch_events.dispatch.loops.call_bound import CallBound
from airflow_batch_events.dispatch.loops.fruitless_pause import FruitlessPause
from airflow_batch_events.dispatch.loops.supervision import Isolation
from airflow_batch_events.dispatch.message_handler import Message, MessageHandler
from airflow_batch_events.dispatch.message_subscriber import MessageSubscriber
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.limits import MAX_MESSAGES
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

MAX_PAUSE = 30.0
"""Seconds between tries at the most while the queue cannot be read."""

GATHER = 0.02
"""Seconds that messages which come one after the other have to gather, so that a call brings more than one."""

CROWDED_AFTER = 20
"""Full receives in a row without anything for us, after which the queue counts as full of others' messages."""

CROWDED_FOR = 60.0
"""Seconds for which it counts as that, from the last such row: longer than messages take to come back."""

WARN_EVERY = 60.0
"""Seconds between two warnings about the same outage."""


class Queue(Protocol):
    """The queue to read; neither call retries by itself."""

    def receive(self, wait_seconds: int) -> Coroutine[Any, Any, Sequence[Message]]:
        """Receive up to 16 messages, waiting up to ``wait_seconds`` for the first."""

    def delete(self, receipt_handles: Sequence[str]) -> Coroutine[Any, Any, Sequence[object]]:
        """Delete up to 16 messages; return what could not be deleted."""


@dataclass(frozen=True)
class ReaderSettings:
    """
    How a reader behaves.

    :param poll_wait: Seconds of a long poll; above 3 TDMQ delivers markedly more duplicates.
    :param orphan_ttl: Seconds after which an event that no wait here takes is deleted, counted from its enqueue time
        and from when the reader has received it first.
    :param max_receives: Receive calls under way at once at the most, while they come back full.
    :param drain_timeout: Seconds that the end of the reader may take to delete what was handed out.
    """

    poll_wait: int = 3
    orphan_ttl: float = 120.0
    max_receives: int = 8
    drain_timeout: float = 5.0


class Reader:
    """
    Read a queue and hand out the events in its messages.

    :param name: What log lines call the queue.
    :param queue: The queue.
    :param take: Hands one event out; returns whether anybody here took it.
    :param on_health: Told after each receive whether events come in time: whether it worked, and whether the queue is
        not full of others' messages, behind which ours have to wait.
    :param clock: The cloud's time.
    :param settings: How to behave.
    :param metrics: Where counts and measurements go.
    :param isolation: Keeps what goes wrong with one message, or in one callback, from the others.
    :param subscribers: Who sees every message; the set may change at any time.
    :param gather: Returns the seconds that messages have to gather after a call that has brought some for us; it goes
        by who waits at present.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        take: Callable[[BatchEvent], bool],
        on_health: Callable[[bool], None],
        clock: CloudClock,
        settings: ReaderSettings,
        metrics: Metrics,
        isolation: Isolation,
        subscribers: Collection[MessageSubscriber] = (),
        gather: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._gather = gather
        self._metrics = metrics
        self._isolation = isolation
        self._subscribers = subscribers
        self._name = name
        self._queue = queue
        self._on_health = on_health
        self._settings = settings
        self._deleter = Deleter(queue.delete, metrics)
        self._handler = MessageHandler(
            name, take, self._deleter, clock, settings.orphan_ttl, metrics, isolation, subscribers
        )
        self._bound = CallBound()
        self._has_received = False
        self._drains: set[asyncio.Task[None]] = set()
        self._fruitless = FruitlessPause()
        self._fruitless_pause = 0.0
        self._crowded_until: float | None = None
        self._is_streaming = False
        self._has_brought = False
        self._warned_at = float("-inf")
        self._warned_of_subscribers_at = float("-inf")

    async def run(self) -> None:
        """
        Read until cancelled.

        :raises CmqQueueNotFoundError: At first contact.
        :raises CmqCredentialsError: At first contact.
        :raises CmqParameterError: At first contact: there can be no queue of that name.
        """
        failures = 0
        try:
            while True:
                try:
                    await self._poll()
                except Exception as error:
                    if isinstance(error, READER_ERRORS) and not self._has_received:
                        raise
                    failures += 1
                    await self._back_off(error, failures)
                else:
                    if failures:
                        log.info("Reading %s again after %d failed tries", self._name, failures)
                    failures = 0
                    await asyncio.sleep(self._pause())
        finally:
            await self._deleter.finish(self._settings.drain_timeout)

    def _pause(self) -> float:
        # A message that had to be waited for comes alone; one that was there at once is one of a stream.
        pause = self._fruitless_pause or (GATHER if self._is_streaming else 0.0)
        return max(pause, self._gather()) if self._has_brought else pause

    async def _poll(self) -> None:
        if not await self._receive(self._settings.poll_wait):
            return
        # More is waiting than one call can bring: receive in parallel for as long as calls come back full.
        self._start_drain()
        try:
            while self._drains:
                done, _ = await asyncio.wait(self._drains, return_when=asyncio.FIRST_COMPLETED)
                self._drains -= done
                for drain in done:
                    drain.result()
        finally:
            for drain in self._drains:
                drain.cancel()
            await asyncio.gather(*self._drains, return_exceptions=True)
            self._drains.clear()

    def _start_drain(self) -> None:
        if len(self._drains) < self._settings.max_receives:
            self._drains.add(asyncio.get_running_loop().create_task(self._drain()))

    async def _drain(self) -> None:
        while await self._receive(0):
            self._start_drain()

    async def _receive(self, wait_seconds: int) -> bool:
        """Receive once; return whether there may be more for us at once."""
        await self._wait_for_subscribers()
        self._metrics.count("api.calls", action="BatchReceiveMessage")
        loop = asyncio.get_running_loop()
        asked = loop.time()
        messages = await self._bound.call(self._queue.receive(wait_seconds), beside=wait_seconds)
        self._is_streaming = bool(messages) and loop.time() - asked < 2 * GATHER
        self._has_received = True
        if messages:
            self._metrics.count("events.received", len(messages))
        is_ours = is_left = False
        for message in messages:
            with self._isolation.of("message", message.message_id):
                handled = self._handler.handle(message, is_crowded=self._fruitless.in_a_row > 0)
                is_ours |= handled.is_ours
                is_left |= handled.is_left
        self._has_brought = is_ours
        is_full = len(messages) == MAX_MESSAGES
        is_fruitful = is_ours and not is_left
        # What a blocked subscriber wants comes back, and each time is nearer to the dead-letter queue: slowly, then.
        self._fruitless_pause = self._fruitless.after(
            is_full=is_full, is_fruitful=is_fruitful, may_speed_up=not is_left, now=loop.time()
        )
        self._note_crowd(loop.time())
        self._tell_health(self._crowded_until is None)
        return is_full and is_fruitful

    def _tell_health(self, is_readable: bool) -> None:
        with self._isolation.of("health callback"):
            self._on_health(is_readable)

    async def _wait_for_subscribers(self) -> None:
        """Give full subscribers a moment to make room; say once a minute which are blocked."""
        for subscriber in list(self._subscribers):
            await subscriber.wait_for_room()
        now = asyncio.get_running_loop().time()
        if now - self._warned_of_subscribers_at < WARN_EVERY:
            return
        for subscriber in self._subscribers:
            if subscriber.is_blocked:
                self._warned_of_subscribers_at = now
                self._metrics.count("subscribers.blocked")
                log.warning(
                    "%s takes no more messages of %s: they stay in the queue and come back; the waits and the other "
                    "subscribers go on",
                    subscriber.name,
                    self._name,
                )

    def _note_crowd(self, now: float) -> None:
        if self._fruitless.in_a_row >= CROWDED_AFTER:
            if self._crowded_until is None:
                log.warning(
                    "%s is full of messages that no wait or watcher here takes: our events come late, so waiting "
                    "jobs are polled more often. Give these waits their own queue (airflow-batch-events provision), or "
                    "find out who sends the others (airflow-batch-events doctor)",
                    self._name,
                )
            self._crowded_until = now + CROWDED_FOR
        elif self._crowded_until is not None and now >= self._crowded_until:
            self._crowded_until = None
            log.info("%s is not full of others' messages any more", self._name)

    async def _back_off(self, error: Exception, failures: int) -> None:
        self._metrics.count("api.errors", action="BatchReceiveMessage", error=type(error).__name__)
        if failures == 1:
            self._metrics.count("reader.outages")
        self._tell_health(False)
        pause = min(MAX_PAUSE, 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            log.warning(
                "Cannot read %s (try %d); the waits go on by polling the Batch API: %s",
                self._name,
                failures,
                printable(error, MAX_TEXT),
            )
        await asyncio.sleep(pause)
