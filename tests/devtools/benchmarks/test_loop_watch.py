# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import gc
import time

from devtools.benchmarks.loop_watch import LoopWatch


async def watched(callback: object) -> LoopWatch:
    watch = LoopWatch()
    with watch.watching():
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_soon(callback)  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
    return watch


async def test_the_callback_that_blocks_the_loop_is_named() -> None:
    def sleeper() -> None:
        time.sleep(1.0)

    watch = await watched(sleeper)
    assert watch.longest.longest >= 1.0
    assert "sleeper" in str(watch.longest)


async def test_a_collection_is_told_apart_from_what_it_interrupts() -> None:
    def collector() -> None:
        gc.collect()
        time.sleep(1.0)

    watch = await watched(collector)
    assert watch.collections[2] == 1
    assert 0.0 < watch.longest.collecting < watch.longest.seconds
    assert watch.longest.own > 0.9
    assert "garbage collection, generation 2" in str(watch.longest)


async def test_nothing_is_left_when_the_watch_ends() -> None:
    callbacks, run = list(gc.callbacks), asyncio.events.Handle._run
    await watched(gc.collect)
    assert (gc.callbacks, asyncio.events.Handle._run) == (callbacks, run)
