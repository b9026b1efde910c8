# SPDX-License-Identifier: Apache-2.0
"""
Which failed calls are made again, how often and how long apart.

A call whose effect is unknown (a time-out, an error on the server's side) is repeated only when the request says that a
repeat does no harm. A call that was turned away by a rate limit had no effect, so it is repeated whatever it does.
Callers that pace themselves pass :data:`NO_RETRY`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, Retrying

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
        retrying = Retrying(retry=_has_failed, stop=self._stop(repeatable), wait=self._pause, sleep=sleep, reraise=True)
        return retrying(make)

    async def acall(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        repeatable: bool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """Make a call, again if need be; the parameters are those of :meth:`call`."""
        if self.retries == self.throttled_retries == 0:
            # A reader's thousands of calls are all made once, and tenacity would take a fifth of the time of each.
            return await make()
        # One for each call: an AsyncRetrying keeps the state of its loop in itself.
        retrying = AsyncRetrying(
            retry=_has_failed, stop=self._stop(repeatable), wait=self._pause, sleep=sleep, reraise=True
        )
        result: T = await retrying(make)
        return result

    def allowed_repeats(self, error: BaseException | None, repeatable: bool) -> int:
        """Return how often a call that ended with ``error`` may be made again."""
        if isinstance(error, ApiThrottledError | CmqThrottledError):
            return self.throttled_retries
        if isinstance(error, _UNKNOWN) and repeatable:
            return self.retries
        return 0

    def _stop(self, repeatable: bool) -> Callable[[RetryCallState], bool]:
        is_unknown = False

        def stop(state: RetryCallState) -> bool:
            nonlocal is_unknown
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, CloudError):
                error.follows_unknown = is_unknown
            is_unknown = is_unknown or isinstance(error, _UNKNOWN)
            return state.attempt_number > self.allowed_repeats(error, repeatable)

        return stop

    def _pause(self, state: RetryCallState) -> float:
        longest = min(self.max_pause, self.first_pause * 2.0 ** min(state.attempt_number - 1, 16))
        return longest * random.uniform(0.5, 1.0)


NO_RETRY = RetryPolicy(retries=0, throttled_retries=0)
"""Make every call once."""


def _has_failed(state: RetryCallState) -> bool:
    return state.outcome is not None and state.outcome.failed
