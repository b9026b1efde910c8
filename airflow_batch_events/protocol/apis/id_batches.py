# SPDX-License-Identifier: Apache-2.0
"""
Ask about many ids in few calls, although one bad id makes the API refuse a whole call.

Shared by the worker, which blocks, and the triggerer, which does not; it makes no call. A refused call is cut in
halves, so a bad id among a hundred costs some 14 calls when it is met first; from then on it is asked for alone and
costs the others nothing. The same for an id that makes calls fail in any other way, once an id that is asked for alone
has shown that the API answers at all. An account has few calls a second, so one poll makes a bounded number of them and
leaves the rest to the next.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence

from airflow_batch_events.limits import MAX_IDS

MAX_CALLS = 20
"""Calls that one poll of up to a hundred ids may make."""

MAX_SILENCES = 2
"""Ids that are asked for alone, and not answered, after which a poll ends: the API is down, and no id is to blame."""


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
        self.is_answered = False
        """Whether any call of this poll was answered, so that the API can be reached."""
        self._silences = 0
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
        self.is_answered = True
        if len(batch) == 1:
            return batch[0]
        self._halve(batch)
        return None

    def failed(self, batch: list[str]) -> bool:
        """
        Take that a call failed, which may be the fault of one of its ids or of none.

        :return: Whether to go on; False where ids that were asked for alone say that nothing is answered.
        """
        if self.is_answered:
            if len(batch) > 1:
                self._halve(batch)
            return True
        if len(batch) == 1:
            self._silences += 1
            return self._silences < MAX_SILENCES and bool(self._batches)
        # Any of them, so that it is not the bad one each time.
        alone = random.randrange(len(batch))
        self._halve(batch[:alone] + batch[alone + 1 :])
        self._batches.appendleft([batch[alone]])
        return True

    def _halve(self, batch: list[str]) -> None:
        middle = len(batch) // 2
        self._batches.extendleft(half for half in (batch[middle:], batch[:middle]) if half)
