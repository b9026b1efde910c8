# SPDX-License-Identifier: Apache-2.0
"""
Which failed calls are made again, how often and how long apart.

A call whose effect is unknown (a time-out, an error on the server's side) is repeated only when the request says that a
repeat does no harm. A call that was turned away by a rate limit had no effect, so it is repeated whatever it does.
Callers that pace themselves pass :data:`NO_RETRY`.

There is one procedure, and two short runners of it, one that blocks and one that does not. It is our own and not
tenacity's because a reader's thousands of calls pass here: tenacity takes a fifth of the processor time of each.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from airflow_batch_events.exceptions import (
    ApiServerError,
    ApiThrottledError,
    CloudError,
    CmqServerError,
    CmqThrottledError,
    TransportError,
)

T = TypeVar("T")

_UNKNOWN = (TransportError, ApiServerError, CmqServerError)
"""After these it is not known whether the call has had its effect."""


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often and how patiently a call is made again.

    :param retries: Repeats after a failure that may pass, when the request may be repeated.
    :param throttled_retries: Repeats after the rate limit turned the call away.
    :param first_pause: Seconds before the first repeat; each further pause doubles, with jitter.
    :param max_pause: Seconds between repeats at the most.
    """

    retries: int = 3
    throttled_retries: int = 10
    first_pause: float = 0.5
    max_pause: float = 15.0

    def call(self, make: Callable[[], T], *, repeatable: bool, sleep: Callable[[float], None] = time.sleep) -> T:
        """
        Make a call, again if need be.

        :param make: Makes the call once.
        :param repeatable: Whether a repeat does no harm when the effect of the call before is unknown.
        :param sleep: Waits between the calls.
        """
        attempts = self._attempts(repeatable)
        pause = next(attempts)
        while True:
            if pause:
                sleep(pause)
            try:
                return make()
            except CloudError as error:
                pause = attempts.throw(error)

    async def acall(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        repeatable: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """Make a call, again if need be; the parameters are those of :meth:`call`."""
        attempts = self._attempts(repeatable)
        pause = next(attempts)
        while True:
            if pause:
                await sleep(pause)
            try:
                return await make()
            except CloudError as error:
                pause = attempts.throw(error)

    def _attempts(self, repeatable: bool) -> Generator[float, None, NoReturn]:
        """
        Decide about each call in turn: what both runners drive.

        Yields the seconds to pause before a call, and is thrown what that call failed with; an error that is final is
        raised again.
        """
        made, pause, is_unknown = 0, 0.0, False
        while True:
            try:
                yield pause
            except CloudError as error:
                error.follows_unknown = is_unknown
                is_unknown = is_unknown or isinstance(error, _UNKNOWN)
                made += 1
                if made > self._allowed_repeats(error, repeatable):
                    raise
            pause = self._pause(made)

    def _pause(self, repeat: int) -> float:
        longest = min(self.max_pause, self.first_pause * 2.0 ** min(repeat - 1, 16))
        return longest * random.uniform(0.5, 1.0)

    def _allowed_repeats(self, error: CloudError, repeatable: bool) -> int:
        if isinstance(error, ApiThrottledError | CmqThrottledError):
            return self.throttled_retries
        if isinstance(error, _UNKNOWN) and repeatable:
            return self.retries
        return 0


NO_RETRY = RetryPolicy(retries=0, throttled_retries=0)
"""Make every call once."""
