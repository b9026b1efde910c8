# SPDX-License-Identifier: Apache-2.0
"""
The emulator's only source of time, so that a test can move it.

Everything that waits in the emulator (visibility, retention, job durations, delivery retries) waits here. The clock
runs with the machine's monotonic clock from a wall-clock start; :meth:`Clock.advance` moves it forward at once and runs
what has become due. Use it from one event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable


def _nothing() -> None:
    """Stand in for a callback that was taken back."""


class Timer:
    """A callback that is due at a time; :meth:`cancel` takes it back."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Do not run the callback any more, and let go of what it holds: the timer itself stays until it is due."""
        self.cancelled = True
        self.callback = _nothing


class Clock:
    """
    Tell the time and run callbacks when they are due.

    :param start: Unix seconds at which the clock starts; now by default.
    :param running: False makes a clock that stands still until it is advanced, for unit tests.
    """

    def __init__(self, start: float | None = None, *, running: bool = True) -> None:
        self._epoch = time.time() if start is None else start
        self._running = running
        self._began = time.monotonic()
        self._shift = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._armed: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Return Unix seconds."""
        elapsed = time.monotonic() - self._began if self._running else 0.0
        return self._epoch + self._shift + elapsed

    @property
    def advanced(self) -> float:
        """Seconds by which :meth:`advance` has moved the clock so far."""
        return self._shift

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` when the clock reaches ``when``; at once, but never inside this call, if that has passed."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        self._arm()
        return timer

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` ``delay`` seconds from now."""
        return self.call_at(self.time() + delay, callback)

    async def sleep(self, delay: float) -> None:
        """Wait until the clock has moved on by ``delay`` seconds."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move forward and run, in their order, the callbacks that have become due."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} s")
        target = self.time() + seconds
        while self._timers and self._timers[0][0] <= target:
            when, _, timer = heapq.heappop(self._timers)
            self._shift += max(0.0, when - self.time())
            if not timer.cancelled:
                timer.callback()
        self._shift += max(0.0, target - self.time())
        self._arm()

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return
        now = self.time()
        due = self._timers[0][0]
        if self._running or due <= now:
            self._armed = asyncio.get_running_loop().call_later(max(0.0, due - now), self._run_due)

    def _run_due(self) -> None:
        self._armed = None
        now = self.time()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()
