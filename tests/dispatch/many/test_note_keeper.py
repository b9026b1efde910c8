# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from airflow_batch_events.dispatch.many.note_keeper import NoteKeeper
from airflow_batch_events.events.many.items import CHUNK, Item
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.many.run import JobsRun


def changed_run() -> JobsRun:
    items = [Item(1, f"job-{n}") for n in range(CHUNK + 1)]
    run = JobsRun(items, RunRules(on_finish_action="delete"))
    run.on_outcome("job-0", "SUCCEED")
    run.on_outcome(f"job-{CHUNK}", "SUCCEED")
    return run


def test_what_is_stored_may_be_deleted_and_the_rest_not_yet(run):
    async def scenario():
        jobs, stored = changed_run(), []

        async def save(one):
            if one.chunk == 0 and not stored:
                raise RuntimeError("away")
            stored.append(one.chunk)

        keeper = NoteKeeper(jobs, save, lambda: None)
        task = asyncio.ensure_future(keeper.run())
        await asyncio.sleep(0.5)
        assert (stored, jobs.take_deletable(), jobs.take_deletable()) == ([1], CHUNK, None)
        await asyncio.sleep(1)
        assert (stored, jobs.take_deletable()) == ([1, 0], 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())


def test_what_was_under_way_when_cut_off_is_stored_at_the_end(run):
    async def scenario():
        jobs, stored = changed_run(), []

        async def slow(one):
            await asyncio.sleep(10)
            stored.append(one.chunk)

        keeper = NoteKeeper(jobs, slow, lambda: None)
        task = asyncio.ensure_future(keeper.run())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert stored == []
        await keeper.store_rest()
        assert stored == [0, 1]

    run(scenario())
