# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.message_faults import MessageFaults, event_name, garble
from tencent_batch_emulator.faults.rules import Fault, FaultPlan

EVENT = json.dumps({"Events": [{"EventName": "JOB_SUCCEED", "Batch": {"JobId": "job-00000001"}}]})


class Route:
    """A faults, what has arrived, and a clock to move."""

    def __init__(self) -> None:
        self.clock = Clock(1000.0, running=False)
        self.plan = FaultPlan(self.clock)
        self.faults = MessageFaults(self.plan, self.clock)
        self.arrived: list[str] = []

    async def send(self, body: str, topic: str = "jobs") -> int | None:
        async def deliver(arriving: str) -> int:
            self.arrived.append(arriving)
            return len(self.arrived)

        return await self.faults.apply({"topic": topic}, body, deliver)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def route() -> AsyncIterator[Route]:
    route = Route()
    yield route
    await route.faults.close()


async def test_a_message_without_faults_arrives_at_once(route: Route) -> None:
    assert route.faults.is_idle
    assert await route.send("a") == 1
    assert route.arrived == ["a"]


async def test_a_dropped_message_does_not_arrive_and_nobody_is_told(route: Route) -> None:
    route.plan.drop_next("JOB_SUCCEED")

    assert await route.send(EVENT) is None
    assert await route.send(EVENT) == 1
    assert route.arrived == [EVENT]


async def test_a_duplicated_message_arrives_so_many_times(route: Route) -> None:
    route.plan.duplicate_next(times=5)

    assert await route.send("a") == 1
    assert route.arrived == ["a"] * 5


async def test_a_delayed_message_arrives_when_its_time_has_come(route: Route) -> None:
    route.plan.delay_next(seconds=10)
    await route.send("late")
    await route.send("early")

    await route.advance(9)
    assert route.arrived == ["early"]
    await route.advance(1)
    assert route.arrived == ["early", "late"]


async def test_a_delayed_and_held_message_is_late_after_its_release(route: Route) -> None:
    route.plan.add(Fault(effect="reorder", next=1, seconds=3))
    route.plan.delay_next(seconds=10)
    await route.send("a")

    await route.advance(3)
    assert route.arrived == []
    await route.advance(10)
    assert route.arrived == ["a"]


async def test_one_held_message_is_overtaken_by_the_next(route: Route) -> None:
    route.plan.add(Fault(effect="reorder", next=1))
    await route.send("a")
    await route.send("b")

    assert route.arrived == ["b", "a"]


async def test_enough_held_messages_come_in_another_order(route: Route) -> None:
    route.plan.reorder(times=5)
    for body in "abcde":
        await route.send(body)
    await route.settle()

    assert sorted(route.arrived) == list("abcde")
    assert route.arrived != list("abcde")


async def test_held_messages_do_not_wait_for_another_topic_s(route: Route) -> None:
    route.plan.reorder(times=2, seconds=60)
    await route.send("a", "one")
    await route.send("b", "two")
    await route.settle()
    assert route.arrived == []

    await route.send("c", "one")
    await route.settle()
    assert route.arrived == ["c", "a"]


async def test_no_message_is_held_for_good(route: Route) -> None:
    route.plan.reorder(times=100, seconds=5)
    await route.send("a")
    route.plan.clear()
    assert not route.faults.is_idle

    await route.advance(5)
    assert route.arrived == ["a"]
    assert route.faults.is_idle


async def test_a_corrupted_message_arrives_and_is_no_event_any_more(route: Route) -> None:
    route.plan.corrupt_next("JOB_SUCCEED")
    await route.send(EVENT)

    assert len(route.arrived) == 1
    assert event_name(route.arrived[0]) == ""


async def test_a_topic_that_refuses_a_late_message_breaks_nothing(route: Route) -> None:
    async def refuse(body: str) -> None:
        raise RuntimeError("no such topic")

    route.plan.delay_next(seconds=1)
    await route.faults.apply({"topic": "jobs"}, "a", refuse)
    await route.advance(1)
    assert await route.send("b") == 1

    with pytest.raises(RuntimeError, match="no such topic"):
        await route.faults.apply({"topic": "jobs"}, "c", refuse)


async def test_after_closing_nothing_arrives(route: Route) -> None:
    route.plan.delay_next(seconds=1)
    route.plan.reorder(seconds=1)
    await route.send("a")
    await route.send("b")
    await route.faults.close()

    await route.advance(5)
    assert route.arrived == []


@pytest.mark.parametrize("body", ["", "{}", "[]", "text", '{"Events": []}', '{"Events": [{"EventName": 3}]}', "\ud800"])
def test_what_is_no_event_has_no_name(body: str) -> None:
    assert event_name(body) == ""


@given(st.integers(0, 2**32 - 1), st.text(min_size=2, max_size=200))
def test_a_garbled_event_is_never_readable_and_never_empty(seed: int, name: str) -> None:
    body = json.dumps({"Events": [{"EventName": name}]})

    garbled = garble(body, seed)

    assert garbled
    assert garbled == garble(body, seed)
    assert event_name(garbled) == ""
