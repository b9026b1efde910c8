# SPDX-License-Identifier: Apache-2.0
"""
The floor for a deferred task in a real Airflow: a trigger that fires from an asyncio event of its own process.

One task of the process waits for a file and sets the event for all triggers, so firing costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_batch_events.waiting.task_completion import push_result

LOOK_EVERY = 0.01
"""Seconds between two checks for the file."""

_gates: dict[str, asyncio.Task[None]] = {}


class GateTrigger(BaseTrigger):
    """
    Fire when a file is there.

    :param file: Its path.
    :param ends_task: Whether to store a result and end the task, as a wait for jobs does, or to fire for a worker.
    """

    def __init__(self, file: str, ends_task: bool = False) -> None:
        super().__init__()
        self.file = file
        self.ends_task = ends_task

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return "devtools.benchmarks.gate.GateTrigger", {"file": self.file, "ends_task": self.ends_task}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait with all the others."""
        if self.file not in _gates:
            _gates[self.file] = asyncio.ensure_future(_open(Path(self.file)))
        await asyncio.shield(_gates[self.file])
        if not self.ends_task:
            yield TriggerEvent({"file": self.file})
            return
        await push_result(self, {"file": self.file})
        yield TaskSuccessEvent()


async def _open(file: Path) -> None:
    while not file.exists():  # noqa: ASYNC110, ASYNC240 - a file has no event, and a check for one is quick
        await asyncio.sleep(LOOK_EVERY)
