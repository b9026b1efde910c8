# SPDX-License-Identifier: Apache-2.0
"""
Find the rate of calls that an account bears, from what its answers say.

The limits of the Batch API are those of the whole account and differ by site and by call, so no constant is right.
Everything here that paces itself uses this one rule: fewer calls when the API turns one away, a little more after each
success.
"""

from __future__ import annotations

from airflow_batch_events.limits import DESCRIBE_JOBS_RATE


class AdaptiveRate:
    """
    Calls a second that this process allows itself.

    :param most: The most that it recovers to.
    :param least: The least that throttling brings it to.
    :param start: Where it starts; by default at the most.
    :param gain: Calls a second that a success adds.
    :param careful_gain: The same after the first throttling, when the limit is about known; by default no less.
    :param loss: The share of the rate that throttling leaves.
    """

    def __init__(
        self,
        most: float = DESCRIBE_JOBS_RATE,
        least: float = 0.5,
        *,
        start: float | None = None,
        gain: float = 0.1,
        careful_gain: float | None = None,
        loss: float = 0.5,
    ) -> None:
        self.rate = most if start is None else start
        self._most = most
        self._least = least
        self._gain = gain
        self._careful_gain = gain if careful_gain is None else careful_gain
        self._loss = loss

    @property
    def interval(self) -> float:
        """Seconds from the beginning of one call to that of the next."""
        return 1.0 / self.rate

    def throttled(self) -> None:
        """Slow down, because the API has turned a call away."""
        self.rate = max(self._least, self.rate * self._loss)
        self._gain = self._careful_gain

    def succeeded(self) -> None:
        """Recover a little."""
        self.rate = min(self._most, self.rate + self._gain)
