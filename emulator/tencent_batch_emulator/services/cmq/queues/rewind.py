# SPDX-License-Identifier: Apache-2.0
"""
Messages that were consumed and can be fetched back for a while.

What comes back is a new message with the old id and body: handles and counts of its first life are worth nothing.
"""

from __future__ import annotations

from collections import deque

from tencent_batch_emulator.services.cmq.message import Message


class ConsumedMessages:
    """Keep messages for some seconds after they were consumed."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self) -> None:
        self._messages: deque[tuple[float, Message]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message, now: float) -> None:
        """Keep a message that has been consumed now."""
        self._messages.append((now, message))
        self._bytes += message.size

    def drop_before(self, consumed: float, max_bytes: int | None) -> None:
        """
        Drop what was consumed too long ago, and the oldest above a size.

        :param consumed: Unix seconds.
        :param max_bytes: How much may stay; None for any amount.
        """
        messages = self._messages
        while messages and (messages[0][0] < consumed or (max_bytes is not None and self._bytes > max_bytes)):
            self._bytes -= messages.popleft()[1].size

    def take_since(self, enqueued: float, now: float) -> list[Message]:
        """Remove the messages that came at ``enqueued`` or later and return them as new ones, the oldest first."""
        back = sorted(
            (message for _, message in self._messages if message.enqueued >= enqueued), key=lambda old: old.enqueued
        )
        self._messages = deque(entry for entry in self._messages if entry[1].enqueued < enqueued)
        self._bytes = sum(message.size for _, message in self._messages)
        return [Message(old.message_id, old.body, old.size, old.enqueued, now) for old in back]

    def clear(self) -> None:
        """Forget all."""
        self._messages.clear()
        self._bytes = 0
