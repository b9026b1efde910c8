# SPDX-License-Identifier: Apache-2.0
"""
Bound a call as a whole, by a bound that adapts to a service that answers slowly.

The HTTP clients count the seconds without a byte, so an answer that drips would never end. And a bound that no answer
can meet would make a slow service one that is down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from airflow_batch_events.exceptions import TransportError

T = TypeVar("T")

LEAST = 15.0
"""Seconds that a call may take to begin with."""

MOST = 120.0
"""Seconds that a call may take at the most, to which each call that has taken too long doubles the bound."""


class CallBound:
    """
    The bound of one kind of call.

    :param least: Seconds to begin with.
    :param most: Seconds at the most.
    """

    def __init__(self, least: float = LEAST, most: float = MOST) -> None:
        self.seconds = least
        self._least = least
        self._most = most

    async def call(self, call: Coroutine[Any, Any, T], *, beside: float = 0.0) -> T:
        """
        Make the call.

        :param call: The call.
        :param beside: Seconds that it takes on purpose, for a long poll.
        :raises TransportError: When it was not answered in time; the next one may take longer.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Not wait_for: before Python 3.12 it forgets that it is cancelled when the call ends in the same moment.
        task = loop.create_task(call)
        try:
            await asyncio.wait([task], timeout=beside + self.seconds)
            is_answered = task.done()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if not is_answered:
            given = self.seconds
            self.seconds = min(self._most, 2 * given)
            raise TransportError(f"no whole answer within {given:.0f} s; the next may take {self.seconds:.0f} s")
        result = task.result()
        # Twice what it took: answers that are slow one by one are not given up by turns.
        self.seconds = max(self._least, min(self.seconds, 2 * (loop.time() - began - beside)))
        return result
