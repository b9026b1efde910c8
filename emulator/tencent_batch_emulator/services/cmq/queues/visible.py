# SPDX-License-Identifier: Apache-2.0
"""
The messages that can be received, in an order that is about that of their arrival.

The cloud documents that a queue is not FIFO. So the next message is any of the oldest few: a consumer that relies on
order fails here, in a test, and not there. A window of 1 makes the order strict.
"""

from __future__ import annotations

import random
from collections import deque

from tencent_batch_emulator.services.cmq.message import Message, State

WINDOW = 8
"""How many of the oldest messages the next one is chosen from."""


class VisibleMessages:
    """
    Keep active messages; a message that has left that state is skipped when its turn comes.

    :param rng: Chooses within the window.
    :param window: See :data:`WINDOW`.
    """

    __slots__ = ("_messages", "_rng", "_window")

    def __init__(self, rng: random.Random, window: int = WINDOW) -> None:
        self._messages: deque[Message] = deque()
        self._rng = rng
        self._window = window

    def add(self, message: Message) -> None:
        """Put a new message behind the others."""
        self._messages.append(message)

    def add_again(self, message: Message) -> None:
        """Put a message that has been received before, and comes back, in front of the others."""
        self._messages.appendleft(message)

    def take(self) -> Message | None:
        """Remove and return the next message; None when there is none."""
        messages = self._messages
        while messages:
            within = min(self._window, len(messages))
            if within > 1:
                index = int(self._rng.random() * within)
                messages[0], messages[index] = messages[index], messages[0]
            message = messages.popleft()
            if message.state is State.ACTIVE:
                return message
        return None

    def clear(self) -> None:
        """Forget all."""
        self._messages.clear()
