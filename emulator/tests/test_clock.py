# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tencent_batch_emulator.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000, running=False)


async def test_advancing_runs_what_is_due_in_its_order_and_at_its_time(clock: Clock) -> None:
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, clock.time()))

    for name, delay in (("late", 20), ("early", 10), ("never", 31)):
        clock.call_later(delay, partial(note, name))
    clock.advance(30)
    assert seen == [("early", 1010), ("late", 1020)]
    assert (clock.time(), clock.advanced) == (1030, 30)


async def test_what_a_callback_plans_runs_in_the_same_advance(clock: Clock) -> None:
    seen: list[float] = []

    def plan_another() -> None:
        clock.call_later(10, lambda: seen.append(clock.time()))

    clock.call_later(10, plan_another)
    clock.advance(30)
    assert seen == [1020]


async def test_a_cancelled_timer_never_runs(clock: Clock) -> None:
    seen: list[str] = []
    clock.call_later(10, lambda: seen.append("ran")).cancel()
    clock.advance(30)
    assert seen == []


async def test_what_was_due_before_runs_soon_but_never_inside_the_call(clock: Clock) -> None:
    ran = asyncio.Event()
    clock.call_at(0, ran.set)
    assert not ran.is_set()
    await asyncio.wait_for(ran.wait(), 10)


async def test_a_sleep_ends_when_the_clock_has_moved_on(clock: Clock) -> None:
    sleeping = asyncio.ensure_future(clock.sleep(10))
    await asyncio.sleep(0)
    clock.advance(9)
    assert not sleeping.done()
    clock.advance(1)
    await asyncio.wait_for(sleeping, 10)


async def test_a_running_clock_wakes_by_itself() -> None:
    ran = asyncio.Event()
    Clock().call_later(0.01, ran.set)
    await asyncio.wait_for(ran.wait(), 10)


def test_the_clock_does_not_go_back(clock: Clock) -> None:
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance(-1)
