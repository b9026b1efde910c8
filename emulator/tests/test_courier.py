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


class Road:
    """A courier, what has arrived, and a clock to move."""

    def __init__(self) -> None:
        self.clock = Clock(1000.0, running=False)
        self.plan = FaultPlan(self.clock)
        self.courier = MessageFaults(self.plan, self.clock)
        self.arrived: list[str] = []

    async def send(self, body: str, topic: str = "jobs") -> int | None:
        async def deliver(arriving: str) -> int:
            self.arrived.append(arriving)
            return len(self.arrived)

        return await self.courier.carry({"topic": topic}, body, deliver)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def road() -> AsyncIterator[Road]:
    road = Road()
    yield road
    await road.courier.close()


async def test_a_message_without_faults_arrives_at_once_and_its_result_comes_back(road: Road) -> None:
    assert road.courier.is_idle
    assert await road.send("a") == 1
    assert road.arrived == ["a"]


async def test_a_dropped_message_does_not_arrive_and_nobody_is_told(road: Road) -> None:
    road.plan.drop_next("JOB_SUCCEED")

    assert await road.send(EVENT) is None
    assert await road.send(EVENT) == 1
    assert road.arrived == [EVENT]


async def test_a_duplicated_message_arrives_so_many_times(road: Road) -> None:
    road.plan.duplicate_next(times=5)

    assert await road.send("a") == 1
    assert road.arrived == ["a"] * 5


async def test_a_delayed_message_arrives_when_its_time_has_come(road: Road) -> None:
    road.plan.delay_next(seconds=10)
    await road.send("late")
    await road.send("early")

    await road.advance(9)
    assert road.arrived == ["early"]
    await road.advance(1)
    assert road.arrived == ["early", "late"]


async def test_a_message_that_is_delayed_and_held_is_late_after_it_was_let_go(road: Road) -> None:
    road.plan.add(Fault(effect="reorder", next=1, seconds=3))
    road.plan.delay_next(seconds=10)
    await road.send("a")

    await road.advance(3)
    assert road.arrived == []
    await road.advance(10)
    assert road.arrived == ["a"]


async def test_one_held_message_is_overtaken_by_the_next(road: Road) -> None:
    road.plan.add(Fault(effect="reorder", next=1))
    await road.send("a")
    await road.send("b")

    assert road.arrived == ["b", "a"]


async def test_held_messages_come_in_another_order_once_there_are_enough(road: Road) -> None:
    road.plan.reorder(times=5)
    for body in "abcde":
        await road.send(body)
    await road.settle()

    assert sorted(road.arrived) == list("abcde")
    assert road.arrived != list("abcde")


async def test_held_messages_of_one_topic_do_not_wait_for_those_of_another(road: Road) -> None:
    road.plan.reorder(times=2, seconds=60)
    await road.send("a", "one")
    await road.send("b", "two")
    await road.settle()
    assert road.arrived == []

    await road.send("c", "one")
    await road.settle()
    assert road.arrived == ["c", "a"]


async def test_no_message_is_held_for_good(road: Road) -> None:
    road.plan.reorder(times=100, seconds=5)
    await road.send("a")
    road.plan.clear()
    assert not road.courier.is_idle

    await road.advance(5)
    assert road.arrived == ["a"]
    assert road.courier.is_idle


async def test_a_corrupted_message_arrives_and_is_no_event_any_more(road: Road) -> None:
    road.plan.corrupt_next("JOB_SUCCEED")
    await road.send(EVENT)

    assert len(road.arrived) == 1
    assert event_name(road.arrived[0]) == ""


async def test_a_topic_that_refuses_a_late_message_breaks_nothing(road: Road) -> None:
    async def refuse(body: str) -> None:
        raise RuntimeError("no such topic")

    road.plan.delay_next(seconds=1)
    await road.courier.carry({"topic": "jobs"}, "a", refuse)
    await road.advance(1)
    assert await road.send("b") == 1

    with pytest.raises(RuntimeError, match="no such topic"):
        await road.courier.carry({"topic": "jobs"}, "c", refuse)


async def test_after_closing_nothing_arrives(road: Road) -> None:
    road.plan.delay_next(seconds=1)
    road.plan.reorder(seconds=1)
    await road.send("a")
    await road.send("b")
    await road.courier.close()

    await road.advance(5)
    assert road.arrived == []


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
