# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

from airflow_batch_events.dispatch import deleter
from airflow_batch_events.dispatch.deleter import CONCURRENCY, Deleter
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.limits import MAX_MESSAGES


def test_handles_that_cannot_be_deleted_for_hours_do_not_fill_the_memory(run, monkeypatch):
    """Something that is never given back: in an outage each message comes with another handle again and again."""
    monkeypatch.setattr(deleter, "MAX_WAITING", 50)

    async def scenario():
        deleted: list[str] = []
        is_up = asyncio.Event()

        async def call(handles):
            await is_up.wait()
            deleted.extend(handles)
            return []

        deleter = Deleter(call, Counts())
        for number in range(1000):
            deleter.add(str(number))
        await asyncio.sleep(5)
        is_up.set()
        await asyncio.sleep(5)
        assert len(deleted) == CONCURRENCY * MAX_MESSAGES + 50
        assert deleted[-1] == "999"
        await deleter.finish(1)

    run(scenario())
