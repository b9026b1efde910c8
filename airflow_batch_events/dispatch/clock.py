# SPDX-License-Identifier: Apache-2.0
"""
The cloud's time, learned from its answers, because this machine's clock may be wrong by any amount.

Events carry the cloud's time and are compared with looks at the API; a local clock in that comparison could make an old
event look new. Every answer has a ``Date`` header. Between answers the monotonic clock counts on, so a step of the wall
clock changes nothing. Where the estimate is wrong it must be late rather than early: an event that is taken for old
costs a look, an old event that is taken for new costs a wrong result.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# Two clocks drift apart by less than this (seconds a second); the estimate never falls faster.
_DRIFT = 1e-4


class CloudClock:
    """
    Tell the cloud's time, within about a second.

    :param wall: This machine's Unix time, used until the first answer.
    :param monotonic: Seconds that never step.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset: float | None = None
        self._learned_at = 0.0

    @property
    def is_known(self) -> bool:
        """Whether any answer has told the time yet."""
        return self._offset is not None

    def learn(self, date: float) -> None:
        """
        Take the time of an answer that has just arrived.

        :param date: Its ``Date`` header in Unix seconds.
        """
        now = self._monotonic()
        # Truncation to the second, travel and a busy loop only ever make a sample too early: the largest is the best.
        sample = date - now
        if self._offset is not None:
            sample = max(sample, self._offset - _DRIFT * (now - self._learned_at))
        self._offset, self._learned_at = sample, now

    def now(self) -> float:
        """Return the cloud's time in Unix seconds, at most about a second early."""
        return self._wall() if self._offset is None else self._monotonic() + self._offset

    def latest(self) -> float:
        """Return the latest that the cloud's time can be: for "the state was so at this time"."""
        return self.now() + 1.0
