# SPDX-License-Identifier: Apache-2.0
"""
All messages of a queue by age, for retention, time to live, and reading without receiving.

Messages that are gone are dropped when they come to the head, or all at once when they outnumber the others, so that an
operation costs O(1) on average however long the oldest message stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tencent_batch_emulator.services.cmq.message import Message, State

_SLACK = 1024


class RetentionIndex:
    """Keep messages, the oldest first."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()

    def add(self, message: Message) -> None:
        """Add the youngest message."""
        self._messages.append(message)

    def oldest(self) -> Message | None:
        """Return the oldest message that is not gone."""
        messages = self._messages
        while messages and messages[0].state is State.GONE:
            messages.popleft()
        return messages[0] if messages else None

    def take_older(self, seconds: float, now: float) -> Iterator[Message]:
        """Remove and yield the messages that have been unacknowledged for so many seconds."""
        # The same sum as where it is planned: a difference may round to an instant before it.
        while (message := self.oldest()) is not None and message.unacked_since + seconds <= now:
            yield self._messages.popleft()

    def compact(self, living: int) -> None:
        """
        Drop the messages that are gone, when they are the majority.

        :param living: How many are not.
        """
        if len(self._messages) > 2 * living + _SLACK:
            self._messages = deque(message for message in self._messages if message.state is not State.GONE)

    def clear(self) -> None:
        """Forget all."""
        self._messages.clear()

    def __iter__(self) -> Iterator[Message]:
        return (message for message in self._messages if message.state is not State.GONE)
