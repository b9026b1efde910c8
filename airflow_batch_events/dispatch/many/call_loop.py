# SPDX-License-Identifier: Apache-2.0
"""
Make one kind of call for many items: a bounded number at once, at the rate that the account bears.

The rate begins at the documented one and grows with every success, until the API turns a call away; what is possible
differs by account, and only the API says it. Calls that fail in a row pause the loop for longer and longer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.exceptions import ApiThrottledError
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

MOST_RATE = 2_000.0
"""Calls a second at the most."""

MAX_PAUSE = 30.0
"""Seconds for which the loop pauses at the most after calls that have failed in a row."""

MADE_UP_FOR = 0.5
"""Seconds at the most whose calls are made later, where the loop was too busy to make them."""

WARN_EVERY = 60.0
"""Seconds between two warnings about calls that fail."""

T = TypeVar("T")
R = TypeVar("R")


class CallLoop(Generic[T, R]):
    """
    Make a call for each item that there is.

    :param action: The API's action, for log lines and counts.
    :param start_rate: Calls a second to begin with.
    :param most: Calls under way at once at the most.
    :param take: Returns the next item; None when there is none at present. Who changes that calls :meth:`wake`.
    :param call: Makes the call of an item, once, and limits its duration itself.
    :param on_result: Takes the answer.
    :param on_error: Takes what the call has failed with, and returns whether that is an outage, after which to pause.
    :param again: Takes an item whose call was turned away by the rate limit.
    :param metrics: Where counts go.
    :param most_rate: Calls a second at the most.
    """

    def __init__(
        self,
        action: str,
        start_rate: float,
        most: int,
        *,
        take: Callable[[], T | None],
        call: Callable[[T], Coroutine[Any, Any, R]],
        on_result: Callable[[T, R], None],
        on_error: Callable[[T, Exception], bool],
        again: Callable[[T], None],
        metrics: Metrics,
        most_rate: float = MOST_RATE,
    ) -> None:
        self.rate = AdaptiveRate(most_rate, start=start_rate, gain=2.0, careful_gain=0.1, loss=0.85)
        self.failures = 0
        """Calls that have failed in a row."""
        self.last_error: Exception | None = None
        """What the last of these has failed with."""
        self._action = action
        self._most = most
        self._take = take
        self._call = call
        self._on_result = on_result
        self._on_error = on_error
        self._again = again
        self._metrics = metrics
        self._woken = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._next_turn = float("-inf")
        self._throttled_at = float("-inf")
        self._warned_at = float("-inf")

    def wake(self) -> None:
        """Ask for the next item again."""
        self._woken.set()

    def pause(self, seconds: float) -> None:
        """Make no call for so long."""
        self._next_turn = max(self._next_turn, asyncio.get_running_loop().time() + seconds)

    async def run(self) -> None:
        """Make calls until cancelled; what is under way then is cancelled, too, and its effect is not known."""
        loop = asyncio.get_running_loop()
        self.pause(0.0)
        try:
            while True:
                self._woken.clear()
                while len(self._under_way) < self._most:
                    if self._next_turn > loop.time():
                        await asyncio.sleep(self._next_turn - loop.time())
                        continue
                    item = self._take()
                    if item is None:
                        break
                    began = loop.time()
                    # What a busy loop has missed is made up for.
                    self._next_turn = max(self._next_turn, began - MADE_UP_FOR) + self.rate.interval
                    task = loop.create_task(self._make(item, began))
                    self._under_way.add(task)
                    task.add_done_callback(self._on_done)
                await self._woken.wait()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake()

    async def _make(self, item: T, began: float) -> None:
        self._metrics.count("api.calls", action=self._action)
        try:
            result = await self._call(item)
        except ApiThrottledError as error:
            self._count_error(error)
            # Calls that were under way when the first of them was turned away say nothing new.
            if began >= self._throttled_at:
                self._throttled_at = asyncio.get_running_loop().time()
                self.rate.throttled()
            self._again(item)
        except Exception as error:  # noqa: BLE001 - it belongs to this item
            self._count_error(error)
            if self._on_error(item, error):
                self._note_outage(error)
        else:
            self.rate.succeeded()
            self.failures, self.last_error = 0, None
            self._on_result(item, result)

    def _note_outage(self, error: Exception) -> None:
        self.failures += 1
        self.last_error = error
        pause = min(MAX_PAUSE, 0.5 * 2.0 ** min(self.failures, 10)) * random.uniform(0.5, 1.0)
        self.pause(pause)
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            log.warning("%s fails and is called again in %.0f s: %s", self._action, pause, printable(error, MAX_TEXT))

    def _count_error(self, error: Exception) -> None:
        self._metrics.count("api.errors", action=self._action, error=type(error).__name__)
