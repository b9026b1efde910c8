# SPDX-License-Identifier: Apache-2.0
"""
Import modules in a thread, because an event loop stands still while it imports.

A triggerer makes a trigger on the loop that all triggers share: it imports the trigger's module there, and this package
with its clients takes a quarter of a second of processor time. So a trigger's module imports what its constructor
needs, and the rest comes from here when it runs. A thread that imports lets the loop go on every few milliseconds.
"""

from __future__ import annotations

import asyncio
import importlib

from airflow_batch_events.protocol.per_loop import PerLoop

_imported: set[str] = set()
_under_way: PerLoop[tuple[str, ...], asyncio.Future[None]] = PerLoop()


async def imported(*names: str) -> None:
    """
    Return when modules have been imported; what is imported from them on the loop then costs nothing.

    :param names: The modules, in the order in which they are wanted.
    :raises ImportError: When one cannot be.
    """
    if _imported.issuperset(names):
        return
    task = _under_way.get(names, lambda: asyncio.ensure_future(asyncio.to_thread(_import, names)), _may_work)
    # Many triggers wait for it, and one of them may be cancelled.
    await asyncio.shield(task)
    _under_way.discard(names, task)


def _import(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(name)
        _imported.add(name)


def _may_work(task: asyncio.Future[None]) -> bool:
    return not task.done() or (not task.cancelled() and task.exception() is None)
