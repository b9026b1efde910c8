# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import airflow_batch_events
from airflow_batch_events.protocol.time_limit import within


async def test_the_result_is_the_works() -> None:
    assert await within(60, asyncio.sleep(0, "done")) == "done"
    assert await within(None, asyncio.sleep(0, "done")) == "done"


async def test_an_error_is_the_works() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await within(60, fail())


async def test_work_that_takes_too_long_is_cancelled() -> None:
    work = asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(asyncio.TimeoutError):
        await within(0.001, work)
    assert work.cancelled()


async def test_work_that_ends_although_it_was_cancelled_has_a_result() -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return "never"

    assert await within(0.001, work()) == "done"


async def test_who_is_cancelled_cancels_the_work() -> None:
    work = asyncio.ensure_future(asyncio.Event().wait())
    task = asyncio.ensure_future(within(60, work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled()


@pytest.mark.parametrize("turns", range(6))
async def test_no_cancellation_is_lost_when_the_work_ends(turns: int) -> None:
    has_ended = asyncio.Event()

    async def loop() -> None:
        while True:
            await within(60, has_ended.wait())

    task = asyncio.ensure_future(loop())
    for _ in range(3):
        await asyncio.sleep(0)
    has_ended.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()


def test_nothing_uses_what_loses_a_cancellation() -> None:
    package = Path(airflow_batch_events.__file__).parent
    assert [path for path in package.rglob("*.py") if "asyncio.wait_for(" in path.read_text()] == []
