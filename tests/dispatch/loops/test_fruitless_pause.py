# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.loops.fruitless_pause import LEAST, MOST, SPEED_UP_EVERY, FruitlessPause

JOB = "job-aaaaaaaa"


def pauses(pause: FruitlessPause, count: int, *, now: float = 0.0) -> list[float]:
    """Receive so often without anything for us, and return the pauses."""
    found = []
    for _ in range(count):
        found.append(pause.after(is_full=True, is_fruitful=False, now=now))
        now += found[-1]
    return found


def test_it_slows_down_soon() -> None:
    found = pauses(FruitlessPause(), 20)
    assert found[0] < 0.02
    assert found[-1] == MOST


def test_it_speeds_up_until_it_sees_the_end() -> None:
    pause = FruitlessPause()
    found = pauses(pause, 3_000)
    assert found[-1] == LEAST
    assert sum(found[: found.index(LEAST, 1) + 1]) < 8 * SPEED_UP_EVERY

    for _ in range(50):
        assert pause.after(is_full=False, is_fruitful=False, now=1e6) == 0.0
    assert pauses(pause, 20, now=1e6)[-1] == MOST


def test_what_is_for_us_is_read_without_a_pause() -> None:
    pause = FruitlessPause()
    pauses(pause, 20)
    assert pause.after(is_full=True, is_fruitful=True, now=9.0) == 0.0
    assert pause.in_a_row == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 1e4))))
def test_a_pause_is_never_longer_than_the_longest(receives: list[tuple[bool, bool, float]]) -> None:
    pause, now = FruitlessPause(), 0.0
    for is_full, is_fruitful, passed in receives:
        now += passed
        assert 0.0 <= pause.after(is_full=is_full, is_fruitful=is_fruitful, now=now) <= MOST


def test_messages_that_come_back_do_not_hold_up_those_behind(run) -> None:
    """Something that is never given back: at a slow pace the same ones come back before the reader has passed them."""

    async def scenario() -> None:
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            for number in range(3_000):
                cloud.put(f"noise {number}")
            await asyncio.sleep(60)
            with consumer.subscriber() as subscriber:
                cloud.publish(JOB)
                delivery = await asyncio.wait_for(anext(aiter(subscriber)), 120)
        assert delivery.events[0].job_id == JOB

    run(scenario())
