# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import gc
import weakref

from airflow_batch_events.protocol.per_loop import PerLoop


class Value:
    def __init__(self) -> None:
        self.is_usable = True


def is_usable(value: Value) -> bool:
    return value.is_usable


def test_a_loop_has_one_value_for_each_key():
    values: PerLoop[str, Value] = PerLoop()

    async def get(key: str) -> Value:
        return values.get(key, Value, is_usable)

    async def both() -> tuple[Value, Value, Value]:
        return await get("a"), await get("a"), await get("b")

    first, again, other = asyncio.run(both())
    assert first is again
    assert first is not other
    assert asyncio.run(get("a")) is not first


def test_an_unusable_value_cannot_remove_its_successor():
    values: PerLoop[str, Value] = PerLoop()

    async def scenario() -> None:
        first = values.get("a", Value, is_usable)
        first.is_usable = False
        second = values.get("a", Value, is_usable)
        assert second is not first
        values.discard("a", first)
        assert values.get("a", Value, is_usable) is second
        values.discard("a", second)
        assert values.get("a", Value, is_usable) is not second

    asyncio.run(scenario())


def test_a_closed_loop_is_forgotten_with_its_values():
    values: PerLoop[str, asyncio.Future[None]] = PerLoop()

    async def scenario() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.get_running_loop()
        values.get("a", loop.create_future, lambda _: True)
        return weakref.ref(loop)

    before = asyncio.run(scenario())
    asyncio.run(scenario())
    gc.collect()
    assert before() is None
