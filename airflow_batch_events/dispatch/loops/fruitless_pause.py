# SPDX-License-Identifier: Apache-2.0
"""
How long the reader pauses after receives that bring nothing for us; pure.

A queue may be full of messages that nothing here can take, and each of them comes back after its visibility timeout,
perhaps in front of what is new. So the reader slows down, because each receive costs a call; and the rule that must not
be relaxed: while it does not get to the end of the queue, it speeds up, because at a slow pace the same messages would
come back before it has passed them, and hold up what is behind them until they are dead letters.
"""

from __future__ import annotations

MOST = 0.25
"""Seconds between fruitless receives at the most: four calls a second."""

LEAST = 0.01
"""Seconds between them at the least: it passes some 20,000 messages before the first of them comes back."""

SPEED_UP_EVERY = 10.0
"""Seconds without the end of the queue after which the pause is halved; a third of the usual visibility timeout."""

_FIRST = 0.01
_SLOW_DOWN = 1.25


class FruitlessPause:
    """Say after each receive how long to pause before the next one."""

    def __init__(self) -> None:
        self.in_a_row = 0
        """Full receives in a row that brought nothing for us."""
        self._most = MOST
        self._endless_since: float | None = None

    def after(self, *, is_full: bool, is_fruitful: bool, now: float, may_speed_up: bool = True) -> float:
        """
        Take what a receive brought, and return the seconds to pause.

        :param is_full: Whether it brought as many messages as it can; otherwise it has reached the end of the queue.
        :param is_fruitful: Whether any of them was for us.
        :param now: Seconds of a clock that does not step.
        :param may_speed_up: False where a receive does harm to what it brings.
        """
        if not is_full:
            self.in_a_row = 0
            self._most = min(MOST, self._most * _SLOW_DOWN)
            self._endless_since = None
            return 0.0
        if is_fruitful:
            self.in_a_row = 0
            return 0.0
        self.in_a_row += 1
        if self._endless_since is None or not may_speed_up:
            self._endless_since = now
        elif now - self._endless_since >= SPEED_UP_EVERY:
            self._most = max(LEAST, self._most / 2)
            self._endless_since = now
        return min(self._most, _FIRST * 2.0 ** min(self.in_a_row - 1, 10))
