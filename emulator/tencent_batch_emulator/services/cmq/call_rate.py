# SPDX-License-Identifier: Apache-2.0
"""
How many calls a second a queue or topic takes.

Seconds are counted whole, so a burst at the turn of a second passes: a limit that is a little lax never throttles a
client that keeps to it.
"""

from __future__ import annotations

from tencent_batch_emulator.services.cmq import errors


class CallRate:
    """
    Count the calls of the present second.

    :param per_second: How many may pass.
    """

    __slots__ = ("_calls", "_per_second", "_second")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._calls = 0

    def count(self, now: float) -> None:
        """
        Let one call pass.

        :raises CmqFault: 4420 when the second is used up.
        """
        second = int(now)
        if second != self._second:
            self._second, self._calls = second, 0
        self._calls += 1
        if self._calls > self._per_second:
            raise errors.throttled()
