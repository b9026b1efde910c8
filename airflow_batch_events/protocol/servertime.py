# SPDX-License-Identifier: Apache-2.0
"""
The cloud's time for signing, learned from its answers.

The cloud refuses a request whose timestamp is minutes off, so a machine with a wrong clock could do nothing at all.
Every answer, a refusal too, has a ``Date`` header. As long as the machine's clock is about right it is trusted; between
answers the monotonic clock counts on, so a step of the wall clock changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

TOLERANCE = 10.0
"""Seconds by which this machine's clock may be off before the cloud's time is used to sign."""


class ServerTime:
    """
    Tell the time to sign with.

    :param on_date: Called with the Unix seconds of every answer's ``Date`` header.
    :param wall: This machine's Unix time.
    :param monotonic: Seconds that never step.
    """

    def __init__(
        self,
        on_date: Callable[[float], None] | None = None,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_date = on_date
        self._wall = wall
        self._monotonic = monotonic
        self._known: tuple[float, float] | None = None

    def learn(self, date: str | None) -> None:
        """Take an answer's ``Date`` header; one that is missing or unreadable teaches nothing."""
        if date is None:
            return
        try:
            seconds = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        self._known = (seconds, self._monotonic())
        if self._on_date is not None:
            self._on_date(seconds)

    def now(self) -> float:
        """Return Unix seconds: this machine's, or the cloud's where they differ by more than the tolerance."""
        wall = self._wall()
        if self._known is None:
            return wall
        date, learned_at = self._known
        cloud = date + self._monotonic() - learned_at
        return cloud if abs(cloud - wall) > TOLERANCE else wall

    def would_differ(self, timestamp: float) -> bool:
        """Whether a request that was signed at ``timestamp`` just now would be signed with another time by now."""
        return abs(self.now() - timestamp) > TOLERANCE
