# SPDX-License-Identifier: Apache-2.0
"""
A trigger that waits for nothing, and tells how free the event loop was that it shares with others.

Its module imports nothing of the package: Airflow imports it when it makes the first trigger of a process, and the time
of that is the time at which the triggers were picked up.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

PICKED_UP = time.time()
IS_FIRST = "airflow_batch_events.triggers" not in sys.modules

from airflow.sdk import BaseHook  # noqa: E402
from airflow.triggers.base import BaseTrigger, TriggerEvent  # noqa: E402

TICK = 0.01
"""Seconds between two looks at the clock."""

WATCHED = 12.0
"""Seconds for which the loop is watched."""


class IdleTrigger(BaseTrigger):
    """
    Watch the loop, write a report, and wait without end.

    :param folder: Where the report goes, one file for each process.
    :param conn_id: A connection to read first, as Airflow's own triggers do; None reads nothing.
    """

    def __init__(self, folder: str, conn_id: str | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return "devtools.benchmarks.idle.IdleTrigger", {"folder": self.folder, "conn_id": self.conn_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Never fire."""
        report = {"is_first": IS_FIRST, "picked_up": PICKED_UP, "ran": time.time()}
        if self.conn_id is not None:
            await BaseHook.aget_connection(self.conn_id)
            report["read"] = time.time()
        if _watching is not None:
            report["blocked"], report["busy"] = await _watching
        partial, whole = (Path(self.folder) / f"{os.getpid()}.{end}" for end in ("part", "json"))
        partial.write_text(json.dumps(report))
        partial.rename(whole)
        await asyncio.get_running_loop().create_future()
        yield TriggerEvent({})


def _watch_loop() -> asyncio.Task[tuple[float, float]] | None:
    # A worker, too, imports this module, to defer to the trigger.
    try:
        return asyncio.get_running_loop().create_task(_longest_block())
    except RuntimeError:
        return None


async def _longest_block() -> tuple[float, float]:
    """Return for how many seconds nothing else could run, and how much of it was the loop's own processor time."""
    longest = (0.0, 0.0)
    ends = time.monotonic() + WATCHED
    while (began := time.monotonic()) < ends:
        busy = time.thread_time()
        await asyncio.sleep(TICK)
        longest = max(longest, (time.monotonic() - began - TICK, time.thread_time() - busy))
    return longest


# At once: what is imported for the next trigger would otherwise be over when this one runs.
_watching = _watch_loop()
