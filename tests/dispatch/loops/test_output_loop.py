# SPDX-License-Identifier: Apache-2.0
"""Output is read beside the waits, at a pace that they share, and never at their cost."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from airflow_batch_events.dispatch.loops.output_loop import FIRST_READ, OUTPUT_RATE, READ_EVERY, PacedCalls, shown
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.exceptions import ApiThrottledError, TransportError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.live_output import LiveOutput


class Api:
    """One running job, whose output is the number of the read."""

    def __init__(self, latency=0.0):
        self.at = []
        self.latency = latency
        self.under_way = self.most = 0
        self.error = None

    async def send(self, request):
        self.at.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.latency)
            if self.error is not None:
                raise self.error
        finally:
            self.under_way -= 1
        if request.action == "DescribeJob":
            return SimpleNamespace(tasks=[SimpleNamespace(name="main", state="RUNNING")])
        output = "".join(f"{number}\n" for number in range(len(self.at)))
        return SimpleNamespace(total_count=1, logs=[SimpleNamespace(index=0, stdout=output, stderr="")])


def nothing(error):
    raise AssertionError("nothing unforeseen happens") from error


async def show_for(seconds, api, lines, fail=nothing, send=None):
    output = LiveOutput(["job-1"], lines.append)
    async with shown(output, send or PacedCalls(api.send, Counts()), fail):
        await asyncio.sleep(seconds)
    return output


def test_output_is_read_again_and_again_and_ends_with_the_wait(run):
    async def scenario():
        api, lines = Api(), []
        await show_for(1.3 * FIRST_READ + 4 * READ_EVERY, api, lines)
        asked = len(api.at)
        # DescribeJob once, then one call a read.
        assert 4 <= asked - 1 <= 6
        assert "    0" in lines
        await asyncio.sleep(10 * READ_EVERY)
        assert len(api.at) == asked

    run(scenario())


def test_waits_share_one_pace(run):
    async def scenario():
        api = Api(latency=0.05)
        send = PacedCalls(api.send, Counts())
        await asyncio.gather(*(show_for(300, api, [], send=send) for _ in range(200)))
        assert api.most == 1
        assert len(api.at) / 300 <= OUTPUT_RATE * 1.01
        assert len(api.at) / 300 > OUTPUT_RATE * 0.9

    run(scenario())


def test_an_api_that_turns_calls_away_is_called_more_slowly(run):
    async def scenario():
        api, counts = Api(), Counts()
        api.error = ApiThrottledError("DescribeTaskLogs", "RequestLimitExceeded", "slow down")
        send = PacedCalls(api.send, counts)
        for _ in range(4):
            with pytest.raises(ApiThrottledError):
                await send(batch.describe_job("job-1"))
        first, *_, last = (later - earlier for earlier, later in zip(api.at, api.at[1:], strict=False))
        assert last > 3 * first
        assert (counts.counters["api.calls"], counts.counters["api.errors"]) == (4, 4)

    run(scenario())


@pytest.mark.parametrize("error", [TransportError("no answer"), RuntimeError("a mistake of ours")])
def test_what_fails_is_told_and_tried_again(run, error):
    async def scenario():
        api, lines, told = Api(), [], []
        api.error = error

        async def mend():
            await asyncio.sleep(2 * READ_EVERY)
            api.error = None

        await asyncio.gather(show_for(8 * READ_EVERY, api, lines, told.append), mend())
        assert "    0" in lines
        assert bool(told) is isinstance(error, RuntimeError)

    run(scenario())


def test_a_wait_that_ends_does_not_wait_for_a_read(run):
    async def scenario():
        api = Api(latency=14)
        await show_for(1.5 * FIRST_READ, api, [])
        assert (len(api.at), api.under_way) == (1, 0)
        assert asyncio.get_running_loop().time() < 1.5 * FIRST_READ + 0.1

    run(scenario())


def test_a_wait_that_is_cancelled_takes_its_read_with_it(run):
    async def scenario():
        api = Api(latency=14)
        wait = asyncio.ensure_future(show_for(100, api, []))
        await asyncio.sleep(1.5 * FIRST_READ)
        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)
        assert wait.cancelled()
        assert api.under_way == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
