# SPDX-License-Identifier: Apache-2.0
"""
Long polls: receivers wait in order, and each is served directly with its own messages.

A message is handed to exactly one receiver, so a thousand that wait cost nothing when one message arrives. A receiver
that goes away between being served and waking gives its messages back: they were never received.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from tencent_batch_emulator.clock import Clock

T = TypeVar("T")


class Waiters(Generic[T]):
    """
    Keep receivers that wait, the longest waiting first.

    :param clock: Measures how long they wait.
    """

    __slots__ = ("_clock", "_line", "_next")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line: OrderedDict[int, tuple[asyncio.Future[list[T]], int]] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        return len(self._line)

    async def wait(self, wanted: int, seconds: float, give_back: Callable[[list[T]], None]) -> list[T]:
        """
        Wait until served or until the time is up.

        :param wanted: How many messages the receiver takes.
        :param seconds: For how long.
        :param give_back: Takes what was served when the receiver is cancelled in that moment.
        :return: What was served; nothing when the time was up.
        """
        served: asyncio.Future[list[T]] = asyncio.get_running_loop().create_future()
        ticket = self._next
        self._next += 1
        self._line[ticket] = (served, wanted)
        timer = self._clock.call_later(seconds, lambda: None if served.done() else served.set_result([]))
        try:
            return await served
        except asyncio.CancelledError:
            if served.done() and not served.cancelled() and served.exception() is None:
                give_back(served.result())
            raise
        finally:
            timer.cancel()
            self._line.pop(ticket, None)

    def serve(self, take: Callable[[int], list[T]]) -> None:
        """
        Serve as many receivers as there are messages for.

        :param take: Removes and returns up to so many messages; an empty list ends the round.
        """
        while self._line:
            ticket, (served, wanted) = next(iter(self._line.items()))
            if served.done():
                del self._line[ticket]
                continue
            messages = take(wanted)
            if not messages:
                return
            del self._line[ticket]
            served.set_result(messages)

    def fail(self, error: Exception) -> None:
        """End every wait with an error."""
        line, self._line = self._line, OrderedDict()
        for served, _ in line.values():
            if not served.done():
                served.set_exception(error)
