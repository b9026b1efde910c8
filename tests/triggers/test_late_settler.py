# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from airflow_batch_events.triggers import late_settler as module
from airflow_batch_events.triggers.late_settler import LateSettler, late_settler


class Subscriber:
    """Keeps what was settled."""

    def __init__(self) -> None:
        self.settled: list[Any] = []

    def settle(self, delivery: Any, *, is_stored: bool) -> None:
        assert is_stored
        self.settled.append(delivery)


class Storing:
    """Lets a test say when something is stored, or that nobody knows."""

    def __init__(self) -> None:
        self.questions = 0
        self._answers: asyncio.Queue[Exception | None] = asyncio.Queue()

    def answer(self, error: Exception | None = None) -> None:
        self._answers.put_nowait(error)

    async def __call__(self) -> None:
        self.questions += 1
        if error := await self._answers.get():
            raise error


@asynccontextmanager
async def running(storing: Storing, leaves_within: float = 0.0) -> AsyncIterator[LateSettler]:
    settler = LateSettler(storing, leaves_within)
    task = asyncio.ensure_future(settler.run())
    yield settler
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_asked(storing: Storing, times: int) -> None:
    while storing.questions < times:  # noqa: ASYNC110 - the settler tells nobody
        await asyncio.sleep(0)


async def test_a_message_is_settled_when_what_it_fired_is_stored() -> None:
    storing, subscriber = Storing(), Subscriber()
    async with running(storing) as settler:
        settler.hold(subscriber, "m1")  # type: ignore[arg-type]
        await until_asked(storing, 1)
        await asyncio.sleep(0.05)
        assert subscriber.settled == []
        storing.answer()
        await asyncio.sleep(0.05)
        assert subscriber.settled == ["m1"]
        assert storing.questions == 1


async def test_what_fires_later_waits_for_the_next_question() -> None:
    storing, subscriber = Storing(), Subscriber()
    async with running(storing) as settler:
        settler.hold(subscriber, "m1")  # type: ignore[arg-type]
        await until_asked(storing, 1)
        settler.hold(subscriber, "m2")  # type: ignore[arg-type]
        storing.answer()
        await until_asked(storing, 2)
        assert subscriber.settled == ["m1"]
        storing.answer()
        await asyncio.sleep(0.05)
        assert subscriber.settled == ["m1", "m2"]


async def test_nothing_is_asked_before_an_event_has_left() -> None:
    storing, subscriber = Storing(), Subscriber()
    async with running(storing, leaves_within=0.2) as settler:
        settler.hold(subscriber, "m1")  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        assert storing.questions == 0
        await until_asked(storing, 1)


async def test_nothing_is_settled_while_nobody_answers() -> None:
    storing, subscriber = Storing(), Subscriber()
    async with running(storing) as settler:
        settler.hold(subscriber, "m1")  # type: ignore[arg-type]
        storing.answer(EOFError("no supervisor"))
        await until_asked(storing, 2)
        assert subscriber.settled == []
        storing.answer()
        await asyncio.sleep(0.05)
        assert subscriber.settled == ["m1"]


async def test_a_subscriber_that_has_gone_settles_nothing_more() -> None:
    storing, gone, other = Storing(), Subscriber(), Subscriber()
    async with running(storing) as settler:
        settler.hold(gone, "m1")  # type: ignore[arg-type]
        settler.hold(other, "m1")  # type: ignore[arg-type]
        await until_asked(storing, 1)
        settler.forget(gone)  # type: ignore[arg-type]
        storing.answer()
        await asyncio.sleep(0.05)
    assert (gone.settled, other.settled) == ([], ["m1"])


async def test_events_fire_one_after_the_other() -> None:
    settler = LateSettler(Storing(), 0.0)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(settler.turn() for _ in range(20)))
    assert asyncio.get_running_loop().time() - began >= 19 * module.TURN - 0.001


async def test_watchers_share_a_settler_and_leave_none_behind() -> None:
    before = asyncio.all_tasks()
    async with late_settler() as one, late_settler() as other:
        assert one is other
    assert asyncio.all_tasks() == before
    async with late_settler() as later:
        assert later is not one
