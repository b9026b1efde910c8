# SPDX-License-Identifier: Apache-2.0
"""What was seen lately, up to a number: for everything that must know again what comes twice."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED = 10_000
"""How much is remembered; the oldest is forgotten first."""


class Seen(Generic[T]):
    """The last ten thousand different things."""

    def __init__(self) -> None:
        self._items: dict[T, None] = {}

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def add(self, item: T) -> bool:
        """Remember the item; return whether it is new."""
        if item in self._items:
            return False
        self._items[item] = None
        if len(self._items) > REMEMBERED:
            del self._items[next(iter(self._items))]
        return True
