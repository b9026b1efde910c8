# SPDX-License-Identifier: Apache-2.0
"""
The messages that wait for one subscriber, and when a delivery is tried again.

One message at a time: with the default strategy a message that is not taken holds up those behind it, as documented.
A delivery that works at the first attempt leaves no trace here.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

import structlog

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.topic import BACKOFF, Publication, Subscription

log = structlog.get_logger(__name__)

Attempt = Callable[[Subscription, Publication], Awaitable[str]]
"""Try to deliver; return an empty text, or why the subscriber did not take it."""

_BACKOFF_RETRIES = 3
_BACKOFF_SECONDS = (10.0, 20.0)
_DECAY_RETRIES = 176
_DECAY_LONGEST = 512.0


def retry_delays(strategy: str, rng: random.Random) -> Iterator[float]:
    """Yield the seconds before each retry of a message; after the last the message is dropped."""
    if strategy == BACKOFF:
        for _ in range(_BACKOFF_RETRIES):
            yield rng.uniform(*_BACKOFF_SECONDS)
        return
    for number in range(_DECAY_RETRIES):
        yield min(2.0 ** min(number, 16), _DECAY_LONGEST)


class DeliveryQueue:
    """
    Deliver messages to one subscriber, in their order.

    :param attempt: Delivers one message.
    :param rng: Spreads retries.
    """

    def __init__(self, subscription: Subscription, attempt: Attempt, clock: Clock, rng: random.Random) -> None:
        self._subscription = subscription
        self._attempt = attempt
        self._clock = clock
        self._rng = rng
        self._waiting: deque[Publication] = deque()
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, publication: Publication) -> None:
        """Add a message behind those that wait."""
        self._waiting.append(publication)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(
                self._work(), name=f"cmq-delivery-{self._subscription.name}"
            )

    async def close(self) -> None:
        """Stop; what waits is lost."""
        self._waiting.clear()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            publication = self._waiting[0]
            why = await self._deliver(publication)
            if why:
                log.warning(
                    "message dropped",
                    topic=self._subscription.topic.name,
                    subscription=self._subscription.name,
                    message_id=publication.message_id,
                    why=why,
                )
            if self._waiting:
                self._waiting.popleft()

    async def _deliver(self, publication: Publication) -> str:
        why = await self._attempt(self._subscription, publication)
        for delay in retry_delays(self._subscription.notify_strategy, self._rng):
            expires = publication.published + self._subscription.topic.msg_retention_seconds
            if not why or self._clock.time() + delay > expires:
                return why
            await self._clock.sleep(delay)
            why = await self._attempt(self._subscription, publication)
        return why
