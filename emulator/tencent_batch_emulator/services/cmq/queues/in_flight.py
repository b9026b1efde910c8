# SPDX-License-Identifier: Apache-2.0
"""
The messages that nobody can receive now: delayed ones, and those that somebody holds by a receipt handle.

A handle belongs to one receive. Only the latest of a message is known here, and only until the message is visible
again; everything else about a handle (used, expired, invented) is the same answer.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator

from tencent_batch_emulator.services.cmq.message import Message, State

_SLACK = 1024


class InFlightMessages:
    """
    Keep messages until they are due.

    :param rng: Makes handles: decimal numbers of 63 bits, as over the TCP protocol.
    """

    __slots__ = ("_by_handle", "_due", "_order", "_rng", "delayed")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._by_handle: dict[int, Message] = {}
        self._due: list[tuple[float, int, Message]] = []
        self._order = 0
        self.delayed = 0

    @property
    def held(self) -> int:
        """How many messages are held by a handle."""
        return len(self._by_handle)

    def delay(self, message: Message, until: float) -> None:
        """Keep a new message back."""
        message.state = State.DELAYED
        self.delayed += 1
        self._push(message, until)

    def hold(self, message: Message, until: float) -> None:
        """Give a message to a receiver under a new handle."""
        message.state = State.INACTIVE
        handle = self._rng.getrandbits(63)
        while handle in self._by_handle:
            handle = self._rng.getrandbits(63)
        message.handle = handle
        self._by_handle[handle] = message
        self._push(message, until)

    def release(self, handle: str) -> Message | None:
        """Take a message away from its receiver; None when the handle is not valid."""
        if not (handle.isascii() and handle.isdigit() and len(handle) <= 20):
            return None
        return self._by_handle.pop(int(handle), None)

    def forget(self, message: Message) -> None:
        """Take out a message of which the queue disposes."""
        if message.state is State.DELAYED:
            self.delayed -= 1
        elif message.state is State.INACTIVE:
            del self._by_handle[message.handle]

    def take_due(self, now: float) -> Iterator[Message]:
        """Remove and yield the messages that are to be visible now, still in their old state."""
        due = self._due
        while due and due[0][0] <= now:
            when, _, message = heapq.heappop(due)
            if _is_stale(when, message):
                continue
            self.forget(message)
            yield message

    def next_due(self) -> float | None:
        """When the next message is to be visible."""
        due = self._due
        while due and _is_stale(due[0][0], due[0][2]):
            heapq.heappop(due)
        return due[0][0] if due else None

    def clear(self) -> None:
        """Forget all."""
        self._by_handle.clear()
        self._due.clear()
        self.delayed = 0

    def _push(self, message: Message, until: float) -> None:
        message.visible_at = until
        if len(self._due) > 2 * (self.held + self.delayed) + _SLACK:
            self._due = [entry for entry in self._due if not _is_stale(entry[0], entry[2])]
            heapq.heapify(self._due)
        self._order += 1
        heapq.heappush(self._due, (until, self._order, message))


def _is_stale(when: float, message: Message) -> bool:
    return message.visible_at != when or message.state not in (State.DELAYED, State.INACTIVE)
