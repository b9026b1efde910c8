# SPDX-License-Identifier: Apache-2.0
"""
Store what is known of many jobs, in the order of changes and not more often than each second.

The rule that must not be relaxed: what is not known to be stored is not stored, and its jobs are not deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from airflow_batch_events.events.many.run import JobsRun, Save
from airflow_batch_events.text import printable

log = logging.getLogger(__name__)

SAVE_EVERY = 1.0
"""Seconds from one store of what has changed to the next."""

WARN_EVERY = 60.0
"""Seconds between two warnings about a store that does not take anything."""

LAST_TRIES = 5
"""Times that storing is tried when all jobs have ended."""

SaveNotes = Callable[[Save], Awaitable[None]]


class NoteKeeper:
    """
    Store the notes of a run.

    :param run: The run.
    :param save: Stores the notes of one chunk; what it raises is tried again.
    :param on_stored: Called when something was stored.
    """

    def __init__(self, run: JobsRun, save: SaveNotes, on_stored: Callable[[], None]) -> None:
        self._run = run
        self._save = save
        self._on_stored = on_stored
        self._warned_at = float("-inf")

    async def run(self) -> None:
        """Store what has changed, each second, until cancelled."""
        while True:
            await self._store_changes()
            await asyncio.sleep(SAVE_EVERY)

    async def store_rest(self) -> None:
        """Store what is left, if it can be stored within some seconds; the run itself knows how its jobs have ended."""
        for _ in range(LAST_TRIES):
            if await self._store_changes():
                return
            await asyncio.sleep(SAVE_EVERY)

    async def _store_changes(self) -> bool:
        """Store what has changed; return whether nothing is left to store."""
        left = self._run.take_unsaved()
        taken = len(left)
        unsaved = []
        try:
            while left:
                try:
                    await self._save(left[0])
                except Exception as error:  # noqa: BLE001 - the store raises whatever its parts do
                    unsaved.append(left.pop(0))
                    self._warn(error)
                else:
                    self._run.on_saved(left.pop(0))
        finally:
            # Also what was under way when this is cancelled.
            for save in (*left, *unsaved):
                self._run.on_unsaved(save)
        if len(unsaved) < taken:
            self._on_stored()
        return not unsaved

    def _warn(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            log.warning(
                "What is known of the jobs cannot be stored now, and no job is deleted until it is: %s",
                printable(error, 500) or type(error).__name__,
            )
