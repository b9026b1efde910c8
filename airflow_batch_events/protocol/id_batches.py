# SPDX-License-Identifier: Apache-2.0
"""
Ask about many ids in few calls, although one bad id makes the API refuse a whole call.

Pure, and shared by the worker, which blocks, and the triggerer, which does not. A refused call is cut in halves, so a
bad id among a hundred costs some 14 calls when it is met first; from then on it is asked for alone and costs the others
nothing. An account has few calls a second, so one poll makes a bounded number of them and leaves the rest to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

MAX_IDS = 100
"""Ids that one call takes."""

MAX_CALLS = 20
"""Calls that one poll of up to a hundred ids may make."""


class IdBatches:
    """
    The calls of one poll: take a batch, ask, say if it was refused, take the next.

    :param ids: The ids to ask about.
    :param sizes: Ids that may share a call with no more than so many, themselves included: what was refused before (1),
        or could not be read.
    :param max_calls: Calls that may be made for each hundred ids.
    """

    def __init__(self, ids: Sequence[str], sizes: Mapping[str, int] | None = None, *, max_calls: int = MAX_CALLS):
        sizes = sizes or {}
        together = [item for item in ids if item not in sizes]
        apart = sorted((item for item in ids if item in sizes), key=lambda item: sizes[item])
        self._calls_left = max_calls * max(1, -(-len(ids) // MAX_IDS))
        self._batches: deque[list[str]] = deque()
        while apart:
            size = sizes[apart[0]]
            self._batches.append(apart[:size])
            apart = apart[size:]
        # Those apart may not use up what all the others need.
        self._later = [self._batches.pop() for _ in range(len(self._batches) - self._calls_left // 2)]
        self._batches.extendleft(together[start : start + MAX_IDS] for start in range(0, len(together), MAX_IDS))

    @property
    def left(self) -> list[str]:
        """The ids that this poll has not asked about."""
        return [item for batch in (*self._batches, *self._later) for item in batch]

    def take(self) -> list[str] | None:
        """Return the ids of the next call; None when all are asked, or when this poll has made its calls."""
        if not self._batches or not self._calls_left:
            return None
        self._calls_left -= 1
        return self._batches.popleft()

    def refused(self, batch: list[str]) -> str | None:
        """Take that a call was refused; return the id that is to blame, or None where the halves have to tell."""
        if len(batch) == 1:
            return batch[0]
        middle = len(batch) // 2
        self._batches.extendleft((batch[middle:], batch[:middle]))
        return None
