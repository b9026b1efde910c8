# SPDX-License-Identifier: Apache-2.0
"""
The floor for a deferred task in a real Airflow: a trigger that fires from an asyncio event of its own process.

One task of the process looks for a file and sets the event for all triggers, so firing costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

LOOK_EVERY = 0.01
"""Seconds between two looks for the file."""

_gates: dict[str, asyncio.Task[None]] = {}


class GateTrigger(BaseTrigger):
    """
    Fire when a file is there.

    :param file: Its path.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return "benchmarks.gate.GateTrigger", {"file": self.file}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait with all the others."""
        if self.file not in _gates:
            _gates[self.file] = asyncio.ensure_future(_open(Path(self.file)))
        await asyncio.shield(_gates[self.file])
        yield TriggerEvent({"file": self.file})


async def _open(file: Path) -> None:
    while not file.exists():  # noqa: ASYNC110, ASYNC240 - a file has no event, and to look for one is quick
        await asyncio.sleep(LOOK_EVERY)
