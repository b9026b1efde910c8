# SPDX-License-Identifier: Apache-2.0
"""
Keep what exists once in an event loop: a consumer, a terminator, a read of a connection.

The table is keyed by the loop itself, never by its id, which the next loop may get again. A task test runs each wait in
its own loop, so what belongs to a loop that is closed is forgotten: its values refer to the loop and would keep it.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class PerLoop(Generic[K, V]):
    """One value for each key in each event loop."""

    def __init__(self) -> None:
        self._tables: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, V]] = weakref.WeakKeyDictionary()

    def get(self, key: K, create: Callable[[], V], is_usable: Callable[[V], bool]) -> V:
        """
        Return the value of the key in the running loop, or make one.

        :param key: The key.
        :param create: Makes the value where there is none.
        :param is_usable: Says whether a value may still be handed out; one that may not is replaced.
        """
        table = self._table()
        value = table.get(key)
        if value is None or not is_usable(value):
            value = table[key] = create()
        return value

    def discard(self, key: K, value: V) -> None:
        """Forget the value, unless another has taken its place."""
        table = self._table()
        if table.get(key) is value:
            del table[key]

    def _table(self) -> dict[K, V]:
        loop = asyncio.get_running_loop()
        table = self._tables.get(loop)
        if table is None:
            for other in [other for other in self._tables if other.is_closed()]:
                del self._tables[other]
            table = self._tables[loop] = {}
        return table
