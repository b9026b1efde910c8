# SPDX-License-Identifier: Apache-2.0
"""
Named things: found without regard to case, and not made again right after they were deleted.

The old service needed half a minute to release a name (6040). Here that is off by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.names import fold

T = TypeVar("T")


class NameRegistry(Generic[T]):
    """
    Things by name, in the order of their creation.

    :param missing: Makes the error for a name that is not there.
    :param exists: Makes the error for a name that is.
    :param full: Makes the error for one too many.
    :param most: How many there may be.
    :param release: Seconds for which the name of a deleted thing cannot be used.
    """

    def __init__(
        self,
        *,
        missing: Callable[[], CmqFault],
        exists: Callable[[str], CmqFault],
        full: Callable[[], CmqFault],
        most: int,
        release: float,
    ) -> None:
        self._things: dict[str, T] = {}
        self._released_at: dict[str, float] = {}
        self._missing = missing
        self._exists = exists
        self._full = full
        self._most = most
        self._release = release

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._things.values()))

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, name: str) -> bool:
        return fold(name) in self._things

    def get(self, name: str) -> T:
        """
        Return the thing of that name.

        :raises CmqFault: 4440 when there is none.
        """
        try:
            return self._things[fold(name)]
        except KeyError:
            raise self._missing() from None

    def check_free(self, name: str, now: float) -> None:
        """
        Refuse a name that is taken, and one thing too many.

        :raises CmqFault: 4450, 4460 or 6040.
        """
        key = fold(name)
        if key in self._things:
            raise self._exists(name)
        if self._released_at.get(key, now) > now:
            raise errors.being_released(name)
        if len(self._things) >= self._most:
            raise self._full()

    def add(self, name: str, thing: T) -> None:
        """Add a thing whose name has been checked."""
        self._things[fold(name)] = thing
        self._released_at.pop(fold(name), None)

    def remove(self, name: str, now: float) -> T:
        """
        Remove and return the thing of that name.

        :raises CmqFault: 4440 when there is none.
        """
        thing = self.get(name)
        del self._things[fold(name)]
        if self._release > 0:
            self._released_at[fold(name)] = now + self._release
        return thing
