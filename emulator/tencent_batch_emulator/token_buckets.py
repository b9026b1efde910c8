# SPDX-License-Identifier: Apache-2.0
"""How many calls a second may pass: the documented rates of the APIs, and faults that throttle, count with it."""

from __future__ import annotations

from collections.abc import Hashable

MAX_BUCKETS = 10_000


class TokenBuckets:
    """Buckets that refill evenly, one for each key; a new one is full."""

    def __init__(self) -> None:
        self._left: dict[Hashable, tuple[float, float]] = {}
        self._full_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, per_second: float, now: float) -> bool:
        """
        Take a token, if the bucket has one.

        :param per_second: How fast it refills, more than 0; it holds one second's worth, and one token at least.
        :param now: Unix seconds.
        """
        size = max(1.0, per_second)
        if key not in self._left and len(self._left) >= MAX_BUCKETS:
            self._forget_full(now)
        tokens, since = self._left.get(key, (size, now))
        tokens = min(size, tokens + (now - since) * per_second)
        taken = tokens >= 1
        tokens -= taken
        self._left[key] = (tokens, now)
        self._full_at[key] = now + (size - tokens) / per_second
        return taken

    def _forget_full(self, now: float) -> None:
        """Forget the buckets that are full again, which changes nothing."""
        for key in [key for key, when in self._full_at.items() if when <= now]:
            del self._left[key], self._full_at[key]
