# SPDX-License-Identifier: Apache-2.0
"""
Read one queue for ever: long poll, hand out, delete last, back off.

Nothing but cancellation stops the loop once a receive has succeeded; before that, a queue that does not exist, a name
that cannot exist and keys that are refused end it, because then somebody has to mend a setting. A message whose
handling fails is left, and the next one is handled. Who deletes a message is decided in :meth:`Reader._handle`, and
nowhere else:

* a tap took it: deleted when every tap that did has said so; left where another wants it and cannot take it now;
* every event in it was taken by waits here: deleted;
* a Batch event that nobody here waits for: left for another triggerer, deleted once it is older than ``orphan_ttl``,
  because every later wait looks at the API first: older by the cloud's clock, and by a clock that never steps since it
  was seen here first, so that a wrong clock deletes nothing;
* anything else: left for the queue's dead-letter policy.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_batch_events.dispatch.call_bound import CallBound
from airflow_batch_events.dispatch.deleter import Deleter
from airflow_batch_events.dispatch.message_subscriber import Delivery, MessageSubscriber, Offer
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.recent_set import FirstSeen, RecentSet
from airflow_batch_events.dispatch.supervision import Isolation
from airflow_batch_events.events.message import BatchEvent, parse_message
from airflow_batch_events.exceptions import CmqCredentialsError, CmqParameterError, CmqQueueNotFoundError
from airflow_batch_events.limits import MAX_MESSAGES
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

MAX_PAUSE = 30.0
"""Seconds between tries at the most while the queue cannot be read."""

GATHER = 0.02
"""Seconds for which messages that come one after the other are let gather, so that a call brings more than one."""

MAX_FRUITLESS_PAUSE = 0.25
"""Seconds between receives at the most while the queue is full of messages that are not ours, or cannot be taken."""

CROWDED_AFTER = 20
"""Full receives in a row without anything for us, after which the queue counts as full of others' messages."""

CROWDED_FOR = 60.0
"""Seconds for which it counts as that, from the last such row: longer than messages take to come back."""

WARN_EVERY = 60.0
"""Seconds between two warnings about the same outage."""

FIRST_CONTACT_ERRORS = (CmqQueueNotFoundError, CmqCredentialsError, CmqParameterError)
"""What ends the reader when it is the answer to its first call: somebody has to mend a setting."""


class Message(Protocol):
    """A received message, as far as the reader cares."""

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
    :param orphan_ttl: Seconds after which an event that nobody here waits for is deleted, counted from its enqueue time
        and from when the reader has seen it first.
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
    :param taps: Who sees every message; the set may change at any time.
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
    ) -> None:
        self._metrics = metrics
        self._isolation = isolation
        self._subscribers = subscribers
        self._name = name
        self._queue = queue
        self._take = take
        self._on_health = on_health
        self._clock = clock
        self._settings = settings
        self._deleter = Deleter(queue.delete, metrics)
        self._bound = CallBound()
        self._has_received = False
        self._held: dict[str, Delivery] = {}
        self._orphans: FirstSeen[str] = FirstSeen()
        self._drains: set[asyncio.Task[None]] = set()
        self._fruitless = 0
        self._has_left = False
        self._crowded_until: float | None = None
        self._is_streaming = False
        self._unreadable: RecentSet[str] = RecentSet()
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
                    if isinstance(error, FIRST_CONTACT_ERRORS) and not self._has_received:
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
        if self._fruitless:
            return min(MAX_FRUITLESS_PAUSE, 0.005 * 2.0 ** min(self._fruitless, 10))
        # A message that had to be waited for comes alone; one that was there at once is one of a stream.
        return GATHER if self._is_streaming else 0.0

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
        taken = 0
        self._has_left = False
        for message in messages:
            with self._isolation.of("message", message.message_id):
                taken += self._handle(message)
        is_full = len(messages) == MAX_MESSAGES
        # What a blocked tap wants comes back, and each time brings it nearer to the dead-letter queue: slowly, then.
        is_fruitful = taken > 0 and not self._has_left
        self._fruitless = self._fruitless + 1 if is_full and not is_fruitful else 0
        self._note_crowd(loop.time())
        self._tell_health(self._crowded_until is None)
        return is_full and is_fruitful

    def _tell_health(self, is_readable: bool) -> None:
        with self._isolation.of("health callback"):
            self._on_health(is_readable)

    async def _wait_for_subscribers(self) -> None:
        """Let full taps make room, for a moment; say once a minute which are blocked."""
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
                    "%s takes no more messages of %s: they are left in the queue and come back; everybody else goes on",
                    subscriber.name,
                    self._name,
                )

    def _note_crowd(self, now: float) -> None:
        if self._fruitless >= CROWDED_AFTER:
            if self._crowded_until is None:
                log.warning(
                    "%s is full of messages that nobody here waits for, or can take: our events come late, so waiting "
                    "jobs are looked at more often. Give these waits a queue of their own (airflow-batch-events "
                    "provision), or find out who sends the others (airflow-batch-events doctor)",
                    self._name,
                )
            self._crowded_until = now + CROWDED_FOR
        elif self._crowded_until is not None and now >= self._crowded_until:
            self._crowded_until = None
            log.info("%s is not full of others' messages any more", self._name)

    def _handle(self, message: Message) -> bool:
        """Hand out what is in the message and see to its deletion; return whether anybody here took it."""
        parsed = parse_message(message.body)
        takers = [self._is_taken(event, message.message_id) for event in parsed.events]
        now = self._clock.now()
        self._metrics.time("lag.enqueue", max(0.0, now - message.enqueue_time))
        offer = self._hand_to_subscribers(message, parsed.events)
        if offer is not Offer.UNWANTED:
            return offer is Offer.TAKEN
        if parsed.problem is not None:
            self._report_unreadable(message, parsed.problem)
            return False
        if all(takers):
            self._deleter.add(message.receipt_handle)
            return True
        self._metrics.count("events.orphaned")
        if not all(event.known_name or event.batch for event in parsed.events):
            return False
        waited = self._orphans.age(message.message_id, asyncio.get_running_loop().time())
        if min(waited, now - message.enqueue_time) < self._settings.orphan_ttl:
            return False
        self._orphans.forget(message.message_id)
        self._deleter.add(message.receipt_handle)
        return True

    def _is_taken(self, event: BatchEvent, message_id: str) -> bool:
        with self._isolation.of("event in message", message_id):
            return self._take(event)
        return False

    def _hand_to_subscribers(self, message: Message, events: tuple[BatchEvent, ...]) -> Offer:
        if not self._subscribers:
            return Offer.UNWANTED
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
                _on_done=lambda delivery, is_stored: self._on_handed(key, delivery, is_stored),
            )
        result = Offer.UNWANTED
        for subscriber in list(self._subscribers):
            # What fails on the message may want it.
            offer = Offer.LEFT
            with self._isolation.of(f"question whether {subscriber.name} wants message", message.message_id):
                offer = subscriber.offer(delivery)
            if offer is Offer.LEFT:
                delivery.leave()
                self._has_left = True
            if result is Offer.UNWANTED:
                result = offer
        if delivery.is_held:
            self._held[key] = delivery
            return Offer.TAKEN
        return result

    def _on_handed(self, key: str, delivery: Delivery, is_stored: bool) -> None:
        self._held.pop(key, None)
        if is_stored:
            self._deleter.add(delivery.receipt_handle)

    def _report_unreadable(self, message: Message, problem: str) -> None:
        self._metrics.count("events.unreadable")
        if not self._unreadable.add(message.message_id):
            return
        # A queue full of others' messages is worth one line, not one for each of them.
        level = logging.DEBUG if self._fruitless else logging.WARNING
        log.log(level, "Left message %s in %s: %s", printable(message.message_id, 200), self._name, problem)
        log.debug("Body of message %s: %s", printable(message.message_id, 200), printable(message.body, 2000))

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
                "Cannot read %s (try %d); waits go on by looking at the Batch API: %s",
                self._name,
                failures,
                printable(error, MAX_TEXT),
            )
        await asyncio.sleep(pause)
