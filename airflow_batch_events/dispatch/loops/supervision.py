# SPDX-License-Identifier: Apache-2.0
"""
Keep an exception with its item, and a loop alive.

Thousands of waits of many DAGs share one reader, one poller and their callbacks. What one of them raises must cost the
others nothing, and must be noticed: it is logged once with its item, counted as ``errors``, and the loop goes on. A
loop that ends all the same, by an error that nobody has foreseen, is logged, counted and started again; also where it
was a log handler that has raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractContextManager, suppress
from typing import Any

from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.recent_set import RecentSet
from airflow_batch_events.text import printable

log = logging.getLogger(__name__)

MAX_PAUSE = 30.0
"""Seconds before a loop is started again at the most; it begins with one, and doubles while the loop ends at once."""


class Isolation:
    """
    Items, each of which may fail by itself.

    :param metrics: Where errors are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._logged: RecentSet[Hashable] = RecentSet()

    def of(self, kind: str, item: object = "") -> _Item:
        """
        Let whatever is raised in the context end only the context.

        :param kind: What the item is, for example ``message``.
        :param item: Which one.
        """
        return _Item(self, kind, item)

    def note(self, kind: str, item: object, error: Exception) -> None:
        """Count what an item has raised, and log it once."""
        self._metrics.count("errors", item=kind)
        if self._logged.add((kind, item, type(error))):
            shown = printable(repr(item), 200)
            with suppress(Exception):
                log.error("The %s %s has failed; everything else goes on", kind, shown, exc_info=error)


class _Item(AbstractContextManager[None]):
    """A context of an :class:`Isolation`; no generator, because each event enters four of them."""

    __slots__ = ("_isolation", "_item", "_kind")

    def __init__(self, isolation: Isolation, kind: str, item: object) -> None:
        self._isolation = isolation
        self._kind = kind
        self._item = item

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._isolation.note(self._kind, self._item, error)
        return True


async def keep_running(
    name: str,
    loop: Callable[[], Coroutine[Any, Any, None]],
    metrics: Metrics,
    *,
    ends: tuple[type[Exception], ...],
) -> None:
    """
    Run a loop until it returns, is cancelled, or ends with an error that is meant to end it.

    :param name: What log lines and the counter call it, for example ``reader``.
    :param loop: Starts it.
    :param metrics: Where its restarts are counted.
    :param ends: The errors that are meant to end it; after any other it is started again.
    """
    pause = 1.0
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await loop()
            return
        except ends:
            raise
        except Exception as error:
            metrics.count("loops.restarted", loop=name)
            if asyncio.get_running_loop().time() - began > MAX_PAUSE:
                pause = 1.0
            with suppress(Exception):
                log.error("The %s has ended unexpectedly and is started again in %.0f s", name, pause, exc_info=error)
        await asyncio.sleep(pause)
        pause = min(MAX_PAUSE, 2 * pause)
