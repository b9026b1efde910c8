# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools

import pytest

from airflow_batch_events.dispatch.loops.call_bound import LEAST, MOST, CallBound
from airflow_batch_events.exceptions import ApiServerError, TransportError


async def answer(seconds, value="answer"):
    await asyncio.sleep(seconds)
    return value


async def drip():
    for _ in itertools.count():
        await asyncio.sleep(0.1)


def test_a_call_that_drips_is_given_up_as_a_whole(run):
    async def scenario():
        with pytest.raises(TransportError, match="no whole answer within 15 s; the next may take 30 s"):
            await CallBound().call(drip())
        assert asyncio.get_running_loop().time() == pytest.approx(LEAST, abs=0.2)

    run(scenario())


def test_the_bound_follows_a_slow_service_and_comes_back(run):
    async def scenario():
        bound = CallBound()
        with pytest.raises(TransportError):
            await bound.call(answer(20))
        for _ in range(10):
            assert await bound.call(answer(20)) == "answer"
        await bound.call(answer(1))
        assert bound.seconds == LEAST

    run(scenario())


def test_the_bound_does_not_grow_without_end(run):
    async def scenario():
        bound = CallBound()
        for _ in range(10):
            with pytest.raises(TransportError):
                await bound.call(drip())
        assert bound.seconds == MOST

    run(scenario())


def test_a_long_poll_is_not_counted_as_slow(run):
    async def scenario():
        bound = CallBound()
        await bound.call(answer(17), beside=3)
        assert bound.seconds == LEAST

    run(scenario())


def test_an_error_is_raised_and_does_not_change_the_bound(run):
    async def fail():
        raise ApiServerError("DescribeJobs", "InternalError", "oops")

    async def scenario():
        bound = CallBound()
        with pytest.raises(ApiServerError):
            await bound.call(fail())
        assert bound.seconds == LEAST

    run(scenario())


def test_a_caller_that_is_cancelled_takes_its_call_along(run):
    async def scenario():
        calling = asyncio.ensure_future(CallBound().call(drip()))
        await asyncio.sleep(1)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

    run(scenario())
