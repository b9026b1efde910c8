# SPDX-License-Identifier: Apache-2.0
"""
Show what jobs write while a wait goes on, at a pace that all waits of a consumer share.

The rule that must not be relaxed: a wait never waits for this. Its calls are made one at a time and beside those of the
poller; what fails is told, and the wait that has started it cancels it when it ends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate
from airflow_batch_events.dispatch.loops.call_bound import CallBound
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.exceptions import ApiThrottledError
from airflow_batch_events.limits import DESCRIBE_TASK_LOGS_RATE
from airflow_batch_events.protocol.apis.live_output import LiveOutput, follow

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request

OUTPUT_RATE = DESCRIBE_TASK_LOGS_RATE / 4
"""Calls a second at the most: a quarter of the account's, which several triggerers and people share."""

FIRST_READ = 5.0
"""Seconds from the beginning of a wait until its output is read; what ends sooner is shown at its end."""

READ_EVERY = 15.0
"""Seconds between two reads of a wait's output; more where the pace allows no more."""

CANCEL_BOUND = 1.0
"""Seconds that a wait which has ended waits for a read that was under way; it is cancelled, which takes no time."""

ASend = Callable[["Request[Any]"], Coroutine[Any, Any, Any]]


class PacedCalls:
    """
    Calls that are made one at a time, in the order in which they are wanted, with pauses between them.

    :param send: Makes a call, without retries.
    :param metrics: Where counts go.
    """

    def __init__(self, send: ASend, metrics: Metrics) -> None:
        self._send = send
        self._metrics = metrics
        self._rate = AdaptiveRate(OUTPUT_RATE)
        self._bound = CallBound()
        self._turn = asyncio.Lock()
        self._next = 0.0

    async def __call__(self, request: Request[Any]) -> Any:
        """
        Make a call, when its turn has come.

        :raises CloudError: What the call raises; an API that turns it away is called more slowly.
        """
        async with self._turn:
            await asyncio.sleep(max(0.0, self._next - _now()))
            self._next = _now() + self._rate.interval
            self._metrics.count("api.calls", action=request.action)
            try:
                answer = await self._bound.call(self._send(request))
            except Exception as error:
                self._metrics.count("api.errors", action=request.action, error=type(error).__name__)
                if isinstance(error, ApiThrottledError):
                    self._rate.throttled()
                    self._next = _now() + self._rate.interval
                raise
            self._rate.succeeded()
            return answer


@asynccontextmanager
async def shown(output: LiveOutput, send: ASend, fail: Callable[[Exception], None]) -> AsyncIterator[None]:
    """
    Show the output of jobs as long as the context lasts.

    :param output: The output, and where it is shown.
    :param send: Makes the calls, and keeps the pace.
    :param fail: Takes what nobody has foreseen.
    """
    task = asyncio.ensure_future(_show(output, send, fail))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_BOUND)


async def _show(output: LiveOutput, send: ASend, fail: Callable[[Exception], None]) -> None:
    pause = FIRST_READ
    while not output.is_full:
        # Waits that begin at once are not read at once.
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))
        try:
            await follow(output.read(), send)
        except Exception as error:  # noqa: BLE001 - output is for people, and the next read may succeed
            fail(error)
        pause = READ_EVERY


def _now() -> float:
    return asyncio.get_running_loop().time()
