# SPDX-License-Identifier: Apache-2.0
"""
The cloud's time, learned from its answers, because this machine's clock may be wrong by any amount.

Every answer has a ``Date`` header; between answers the monotonic clock counts on, so a step of the wall clock changes
nothing. Two readings, because they are wrong at different costs:

* :meth:`CloudClock.now` decides: which of two facts is younger, whether a deadline has passed. It is learned from good
  answers only, and one answer moves it by little: a gateway whose clock is wrong must not end a wait. A jump needs
  several answers over some time that agree, and can be taken back in the same way.
* :meth:`CloudClock.signing_time` signs. The cloud refuses a request that is minutes off, so a refusal corrects it by
  the refusal's own date; a date that no refusal bears out corrects nothing.

Where the estimate is wrong it must be late rather than early: an event that is taken for old costs a poll, an old event
that is taken for new costs a wrong result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_batch_events.times import EARLIEST, LATEST, parse_http_date

NEAR = 5.0
"""Seconds by which one answer may differ from what is believed and still only adjusts it."""

AGREEING = 5
"""Good answers in a row that have to agree before the clock jumps."""

AGREEING_FOR = 10.0
"""Seconds over which these answers have to be spread: one bad moment of a gateway is shorter."""

TOLERANCE = 10.0
"""Seconds by which this machine's clock may be off before the cloud's time is used to sign."""

# Two clocks drift apart by less than this (seconds a second); the estimate never falls faster.
_DRIFT = 1e-4


class CloudClock:
    """
    Tell the cloud's time, within about a second.

    :param wall: This machine's Unix time.
    :param monotonic: Seconds that never step.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.jumps = 0
        """How often the clock has jumped: what was dated before a jump cannot be compared with what comes after it."""
        self.wall = wall
        self._monotonic = monotonic
        self._offset: float | None = None
        self._learned_at = 0.0
        self._rival: _Rival | None = None
        self._newest: float | None = None
        self._correction: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the cloud's answers have told the time."""
        return self._offset is not None

    def learn(self, date: float | str | None, *, is_good: bool) -> None:
        """
        Take the time of an answer that has just arrived.

        :param date: Its ``Date`` header, or that in Unix seconds; what is missing or unreadable teaches nothing.
        :param is_good: Whether the answer is one of the service itself: understood, and no error of a gateway.
        """
        seconds = parse_http_date(date) if isinstance(date, str) else date
        if seconds is None or not EARLIEST <= seconds <= LATEST:
            return
        now = self._monotonic()
        self._newest = seconds - now
        if is_good:
            self._believe(seconds - now, now)

    def now(self) -> float:
        """Return the cloud's time in Unix seconds, at most about a second early; this machine's until it is known."""
        return self.wall() if self._offset is None else self._monotonic() + self._offset

    def known_now(self) -> float | None:
        """Return what :meth:`now` does, but None until an answer has told the time."""
        return self.now() if self.is_known else None

    def latest(self) -> float:
        """Return the latest that the cloud's time can be: for "the state was so at this time"."""
        return self.now() + 1.0

    def told(self) -> float:
        """Return the cloud's time by the newest answer alone, Unix seconds; this machine's if there was none."""
        return self.wall() if self._newest is None else self._monotonic() + self._newest

    def signing_time(self) -> float:
        """Return Unix seconds to sign with: this machine's, or what a refusal has corrected them to."""
        return self.wall() if self._correction is None else self._monotonic() + self._correction

    def correct(self, timestamp: float) -> bool:
        """
        Take that a request was refused, perhaps for its time.

        :param timestamp: What it was signed with just now.
        :return: Whether it is worth signing again, with another time.
        """
        if self._newest is not None and abs(self.told() - timestamp) > TOLERANCE:
            self._correction = self._newest
            return True
        # Signed with the very time that the refusals tell: theirs may be wrong, so the next call begins anew.
        self._correction = None
        return False

    def _believe(self, sample: float, now: float) -> None:
        believed = self.wall() - now if self._offset is None else self._offset
        if abs(sample - believed) <= NEAR:
            self._rival = None
            # Truncation to the second, travel and a busy loop only ever make a sample too early: the largest is best.
            if self._offset is not None:
                sample = max(sample, self._offset - _DRIFT * (now - self._learned_at))
            self._offset, self._learned_at = sample, now
            return
        if self._rival is None or not self._rival.agrees(sample):
            self._rival = _Rival(sample, sample, now)
        if self._rival.answers >= AGREEING and now - self._rival.since >= AGREEING_FOR:
            self._offset, self._learned_at, self._rival = self._rival.highest, now, None
            self.jumps += 1


@dataclass
class _Rival:
    """Another time than the believed one, which the last good answers have told."""

    lowest: float
    highest: float
    since: float
    answers: int = 1

    def agrees(self, sample: float) -> bool:
        """Count the sample if it tells the same time."""
        lowest, highest = min(self.lowest, sample), max(self.highest, sample)
        if highest - lowest > NEAR:
            return False
        self.lowest, self.highest = lowest, highest
        self.answers += 1
        return True
