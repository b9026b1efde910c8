# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections import deque

from airflow_batch_events.dispatch.many.call_loop import CallLoop
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.exceptions import ApiThrottledError, TransportError


class Calls:
    """Items, and what becomes of their calls."""

    def __init__(self, count: int, *, most: int = 4, rate: float = 10.0) -> None:
        self.left = deque(range(count))
        self.done: list[int] = []
        self.errors: list[Exception] = []
        self.under_way = self.peak = 0
        self.failure: Exception | None = None
        self.metrics = Counts()
        self.loop: CallLoop[int, int] = CallLoop(
            "Do",
            rate,
            most,
            take=lambda: self.left.popleft() if self.left else None,
            call=self.call,
            on_result=lambda item, result: self.done.append(result),
            on_error=self.on_error,
            again=self.left.append,
            metrics=self.metrics,
        )

    async def call(self, item: int) -> int:
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            self.left.append(item)
            raise
        finally:
            self.under_way -= 1
        if self.failure is not None:
            raise self.failure
        return item

    def on_error(self, item: int, error: Exception) -> bool:
        self.errors.append(error)
        self.left.append(item)
        return True

    async def run_for(self, seconds: float) -> None:
        task = asyncio.ensure_future(self.loop.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert self.under_way == 0


def test_no_more_calls_than_allowed_are_under_way(run):
    calls = None

    async def scenario():
        nonlocal calls
        calls = Calls(20)
        await calls.run_for(6.5)

    run(scenario())
    assert calls.peak == 4
    assert sorted(calls.done) == list(range(20))


def test_the_rate_grows_with_success_and_falls_when_turned_away(run):
    async def scenario():
        calls = Calls(1_000, most=500)
        await calls.run_for(5)
        grown = calls.loop.rate.rate
        assert grown > 50
        calls.left.extend(range(100))
        calls.failure = ApiThrottledError("Do", "RequestLimitExceeded", "slow down")
        await calls.run_for(2)
        assert calls.loop.rate.rate < grown
        assert calls.errors == []

    run(scenario())


def test_calls_that_fail_pause_longer_and_longer(run):
    async def scenario():
        calls = Calls(1, rate=100.0)
        calls.failure = TransportError("cut")
        await calls.run_for(120)
        assert 5 <= len(calls.errors) <= 15
        assert calls.loop.failures == len(calls.errors)
        calls.failure = None
        await calls.run_for(60)
        assert calls.done == [0]
        assert calls.loop.last_error is None

    run(scenario())
