# SPDX-License-Identifier: Apache-2.0
"""
An event loop in its own thread, so that code that blocks can drive code that does not.

The caller's thread may run a loop itself, and a signal handler may raise in it (Airflow ends a task that takes too long
so): then the call under way is cancelled. A process that was forked gets its own loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from airflow_batch_events.exceptions import TransportError

T = TypeVar("T")
Tidy = Callable[[], Awaitable[None]]

ENDS_WITHIN = 2.0
"""Seconds that the end of the thread may take before it is left behind."""


class LoopThread:
    """
    Run coroutines for one thread at a time; the thread begins with the first call.

    :param tidy: Run in the loop before it ends: closes what belongs to the loop.
    :param forget: Called in a process that was forked: drops what belongs to the loop of the other process.
    """

    def __init__(self, tidy: Tidy | None = None, forget: Callable[[], object] | None = None) -> None:
        self._tidy = tidy
        self._forget = forget
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: weakref.finalize[..., LoopThread] | None = None

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Run a coroutine to its end and return its result.

        :param make: Makes the coroutine.
        :raises TransportError: When the loop was closed meanwhile.
        """
        loop = self._running()
        future = asyncio.run_coroutine_threadsafe(make(), loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            pass
        finally:
            future.cancel()
        raise TransportError("the client was closed during the call")

    def close(self) -> None:
        """End the thread; a later call begins a new one."""
        end, self._end, self._loop = self._end, None, None
        if end is not None:
            end()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            self._abandon()
        if self._loop is None:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_serve, args=(loop, self._tidy), name="batch-events-client", daemon=True)
            # Also when it is never closed: with the last reference, and at the interpreter's end.
            self._end = weakref.finalize(self, _stop, loop, thread, os.getpid())
            thread.start()
            self._loop = loop
        return self._loop

    def _abandon(self) -> None:
        """Leave alone what a fork has copied: its thread runs in the other process, which shares its sockets."""
        if self._end is not None:
            self._end.detach()
        # Kept: collecting a loop that still counts as running raises a warning.
        _abandoned.append((self._loop, None if self._forget is None else self._forget()))
        self._pid, self._loop, self._end = os.getpid(), None, None


_abandoned: list[object] = []


def _serve(loop: asyncio.AbstractEventLoop, tidy: Tidy | None) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_wind_up(tidy))
        loop.close()


async def _wind_up(tidy: Tidy | None) -> None:
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    if tidy is not None:
        await tidy()
    await asyncio.get_running_loop().shutdown_asyncgens()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, pid: int) -> None:
    if pid != os.getpid():
        _abandoned.append(loop)
        return
    if loop.is_closed():
        return
    loop.call_soon_threadsafe(loop.stop)
    # The last reference may go in any thread, this one included.
    if thread is not threading.current_thread():
        thread.join(ENDS_WITHIN)
