# SPDX-License-Identifier: Apache-2.0
"""
Decide which messages are deleted, and delete them last and in batches.

Who deletes a message is decided by :func:`standing_of` and :func:`may_delete`, and nowhere else. The rule that must not
be relaxed: what is not ours is never deleted, and what is ours only when it has done its work.

A message that could not be deleted comes back after its visibility timeout and is handed out again, which changes
nothing for a wait that has ended; so a failure here is counted and forgotten, never retried by hand.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import Any

from airflow_batch_events.dispatch.loops.call_bound import CallBound
from airflow_batch_events.dispatch.message_subscriber import Offer
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.events.message import ParsedMessage
from airflow_batch_events.limits import MAX_MESSAGES
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

LINGER = 0.2
"""Seconds for which a handle waits for others to share its call."""

MAX_WAITING = 100_000
"""Handles that wait for a call at the most; the oldest is forgotten first, its message has come back by then."""

CONCURRENCY = 8
"""Delete calls under way at once at the most."""


class Standing(Enum):
    """What a message is to this process, and so what becomes of it."""

    SUBSCRIBED = "a subscriber took it: deleted when every subscriber that did has stored what came of it"
    BLOCKED = "a subscriber wants it and cannot take it now: left, and comes back"
    TAKEN = "every event in it was taken by waits here: deleted"
    ORPHAN = (
        "a Batch event that no wait here takes: left for another triggerer, and deleted once it is older than "
        "orphan_ttl, because every later wait polls the API first"
    )
    FOREIGN = "not a Batch event, or unreadable: left for the queue's dead-letter policy"


def standing_of(parsed: ParsedMessage, offer: Offer, takers: Sequence[bool]) -> Standing:
    """
    Return what a message is to this process.

    :param parsed: What is in it.
    :param offer: What became of it with the subscribers.
    :param takers: For each event in it, whether a wait here took it.
    """
    if offer is not Offer.UNWANTED:
        return Standing.SUBSCRIBED if offer is Offer.TAKEN else Standing.BLOCKED
    if parsed.problem is not None:
        return Standing.FOREIGN
    if all(takers):
        return Standing.TAKEN
    is_batch = all(event.known_name or event.batch for event in parsed.events)
    return Standing.ORPHAN if is_batch else Standing.FOREIGN


def may_delete(standing: Standing, age: float, orphan_ttl: float) -> bool:
    """
    Say whether the reader deletes a message now.

    :param standing: What it is to this process.
    :param age: Seconds, for an orphan: the lesser of its age by the cloud's clock and of the time since it was received
        here first, by a clock that never steps. So a wrong clock deletes nothing, and a reader that has just started
        gives another triggerer as much time as ever.
    :param orphan_ttl: Seconds that an orphan is left for another triggerer.
    """
    return standing is Standing.TAKEN or (standing is Standing.ORPHAN and age >= orphan_ttl)


DeleteCall = Callable[[Sequence[str]], Coroutine[Any, Any, Sequence[object]]]


class Deleter:
    """
    Collect receipt handles and delete them, up to 16 a call.

    :param delete: One call; returns what could not be deleted.
    :param metrics: Where counts go.
    """

    def __init__(self, delete: DeleteCall, metrics: Metrics) -> None:
        self._delete = delete
        self._metrics = metrics
        self._bound = CallBound()
        self._handles: deque[str] = deque(maxlen=MAX_WAITING)
        self._calls: set[asyncio.Task[None]] = set()
        self._flush_timer: asyncio.TimerHandle | None = None

    def add(self, receipt_handle: str) -> None:
        """Delete the message soon."""
        self._handles.append(receipt_handle)
        if len(self._handles) >= MAX_MESSAGES:
            self._start_calls()
        elif self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(LINGER, self._flush)

    async def finish(self, timeout: float) -> None:
        """Send what is left and wait for the calls under way, ``timeout`` seconds at the most."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout
        self._flush()
        # A call that ends starts the next one, as long as there are handles.
        while self._calls and loop.time() < ends:
            await asyncio.wait(self._calls, timeout=ends - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._start_calls(least=1)

    def _start_calls(self, least: int = MAX_MESSAGES) -> None:
        while len(self._handles) >= least and len(self._calls) < CONCURRENCY:
            batch = [self._handles.popleft() for _ in range(min(MAX_MESSAGES, len(self._handles)))]
            call = asyncio.get_running_loop().create_task(self._call(batch))
            self._calls.add(call)
            call.add_done_callback(self._call_ended)

    def _call_ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if self._handles:
            self._start_calls(least=1)

    async def _call(self, batch: Sequence[str]) -> None:
        self._metrics.count("api.calls", action="BatchDeleteMessage")
        try:
            failures = await self._bound.call(self._delete(batch))
        except Exception as error:  # noqa: BLE001 - the messages come back; nothing else depends on the deletion
            self._metrics.count("api.errors", action="BatchDeleteMessage", error=type(error).__name__)
            log.info("%d messages were not deleted and will come back: %s", len(batch), printable(error, MAX_TEXT))
        else:
            if failures:
                log.debug("%d of %d messages were not deleted and will come back", len(failures), len(batch))
