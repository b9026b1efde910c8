# SPDX-License-Identifier: Apache-2.0
"""
Believe a bad answer only when it has come several times: a gateway may say anything once.

"This cannot be the id of a job" ends a wait and fails a task, so it has to be confirmed, however clear it is.
"""

from __future__ import annotations

ANSWERS = 3
"""Equal answers in a row that confirm one another."""

SPREAD = 3.0
"""Seconds from the first to the last of them at the least: one bad moment of a gateway is shorter."""

CONFIRM_INTERVAL = 2.0
"""Seconds after which a bad answer is asked for again."""


class Confirmation:
    """
    Count equal answers in a row.

    :param spread: Seconds from the first to the last at the least; 0 where the caller keeps them apart by itself.
    """

    __slots__ = ("_answers", "_since", "_spread")

    def __init__(self, spread: float = SPREAD) -> None:
        self._spread = spread
        self._answers = 0
        self._since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether such an answer was the last one."""
        return self._answers > 0

    def add(self, at: float = 0.0) -> bool:
        """
        Take one more such answer; return whether it is confirmed by now.

        :param at: When it came, in seconds of a clock that does not step.
        """
        if not self._answers:
            self._since = at
        self._answers += 1
        return self._answers >= ANSWERS and at - self._since >= self._spread

    def reset(self) -> None:
        """Take any other answer."""
        self._answers = 0
