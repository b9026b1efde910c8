# SPDX-License-Identifier: Apache-2.0
"""
Find the longest stretch for which an event loop has answered nobody, and what it did meanwhile.

A loop is blocked by everything that runs between two looks at what is ready: callbacks in a row, each of them timed
here, and Python's garbage collection, which stops whichever callback is running. What is left is time that the machine
gave to others; the processor time of the stretch tells it apart.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

EVERY = 0.005
"""Seconds between two looks."""


@dataclass(frozen=True)
class Block:
    """
    One stretch.

    :param seconds: How long nobody was answered.
    :param cpu: Seconds of processor time that the loop's thread used in it.
    :param collecting: Seconds of these for which garbage was collected.
    :param generation: The oldest generation that was collected; -1 for none.
    :param longest: Seconds of the longest callback, collections included.
    :param callback: What that was.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    collecting: float = 0.0
    generation: int = -1
    longest: float = 0.0
    callback: str = ""

    @property
    def own(self) -> float:
        """Seconds without those of garbage collections."""
        return self.seconds - self.collecting

    def __str__(self) -> str:
        """Return the cause in words."""
        parts = [f"{1_000 * self.cpu:.0f} ms of processor time in it"]
        if self.generation >= 0:
            parts.append(f"{1_000 * self.collecting:.0f} ms of garbage collection, generation {self.generation}")
        return f"{', '.join(parts)}; longest callback {1_000 * self.longest:.0f} ms: {self.callback}"


class LoopWatch:
    """Keep the longest block of the running loop."""

    def __init__(self) -> None:
        self.longest = Block()
        self.longest_apart = Block()
        """The longest one when the time of garbage collections is taken off each."""
        self.collections = [0, 0, 0]
        """Garbage collections by generation."""
        self._collecting = 0.0
        self._generation = -1
        self._began = 0.0
        self._worst: tuple[float, Any] = (0.0, None)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the running loop as long as the context lasts."""
        run = asyncio.events.Handle._run
        watch = self

        def timed(handle: Any) -> None:
            callback = handle._callback
            began = time.perf_counter()
            run(handle)
            seconds = time.perf_counter() - began
            if seconds > watch._worst[0]:
                watch._worst = (seconds, callback)

        asyncio.events.Handle._run = timed  # type: ignore[method-assign, assignment]
        gc.callbacks.append(self._on_collection)
        task = asyncio.ensure_future(self._look())
        try:
            yield
        finally:
            task.cancel()
            gc.callbacks.remove(self._on_collection)
            asyncio.events.Handle._run = run  # type: ignore[method-assign]

    async def _look(self) -> None:
        while True:
            self._collecting, self._generation, self._worst = 0.0, -1, (0.0, None)
            began, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(EVERY)
            late = time.perf_counter() - began - EVERY
            used = time.thread_time() - cpu
            if late > self.longest.seconds or late - self._collecting > self.longest_apart.own:
                seconds, callback = self._worst
                block = Block(late, used, self._collecting, self._generation, seconds, _name_of(callback))
                self.longest = max(self.longest, block, key=lambda one: one.seconds)
                self.longest_apart = max(self.longest_apart, block, key=lambda one: one.own)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
            return
        self._collecting += time.perf_counter() - self._began
        self._generation = max(self._generation, info["generation"])
        self.collections[info["generation"]] += 1


def _name_of(callback: Any) -> str:
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return str(getattr(callback, "__qualname__", callback))[:80]
    names = []
    coro: Any = task.get_coro()
    while coro is not None and hasattr(coro, "__qualname__"):
        names.append(coro.__qualname__)
        coro = getattr(coro, "cr_await", None)
    return " > ".join([names[0], *names[-1:]] if len(names) > 1 else names)
