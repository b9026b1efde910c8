# SPDX-License-Identifier: Apache-2.0
"""What came lately, up to a number: for everything that must recognize what comes twice."""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED = 10_000
"""How much is remembered."""

FORGOTTEN_AFTER = 3600.0
"""Seconds after which it is forgotten when something came first."""


class RecentSet(Generic[T]):
    """
    The last different things; the oldest is forgotten first.

    :param size: How many.
    """

    def __init__(self, size: int = REMEMBERED) -> None:
        self._items: dict[T, None] = {}
        self._size = size

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def add(self, item: T) -> bool:
        """Remember the item; return whether it is new."""
        if item in self._items:
            return False
        self._items[item] = None
        if len(self._items) > self._size:
            del self._items[next(iter(self._items))]
        return True


class FirstSeen(Generic[T]):
    """
    When each of ten thousand things came first.

    What is there stays, and more is not remembered: of a crowd that is too large some grow old, and make room.
    """

    def __init__(self) -> None:
        self._times: dict[T, float] = {}

    def age(self, item: T, now: float) -> float:
        """Return the seconds since the item came first; 0 as long as it is not remembered."""
        first = self._times.get(item)
        if first is not None:
            return now - first
        for oldest, time in list(islice(self._times.items(), 2)):
            if now - time > FORGOTTEN_AFTER:
                del self._times[oldest]
        if len(self._times) < REMEMBERED:
            self._times[item] = now
        return 0.0

    def forget(self, item: T) -> None:
        """Make room, because the item will not come again."""
        self._times.pop(item, None)
