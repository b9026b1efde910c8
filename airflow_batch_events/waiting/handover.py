# SPDX-License-Identifier: Apache-2.0
"""
Hold what came too early: a deferral must not end while Airflow may still see its worker run.

Airflow 3.3 may notice only at the next heartbeat that the process of a deferred task has ended; a task that is queued
again before that is failed ("finished with state success, but the task instance's state attribute is queued").
"""

from __future__ import annotations

import asyncio
import time

from airflow.sdk.configuration import conf

HANDOVER = 1.0
"""Seconds beyond a worker's heartbeat interval during which a deferral must not end."""

MAX_HOLD = 10.0
"""Seconds for which an outcome is held at the most, whatever a trigger's arguments say."""


def handover() -> float:
    """Return the seconds from its beginning during which a deferral must not end."""
    return float(conf.getint("workers", "min_heartbeat_interval", fallback=5)) + HANDOVER


class Hold:
    """
    The time during which a deferral must not end, counted from when this is made.

    :param seconds: How long; None does not hold.
    :param until: Unix seconds of this machine instead, as triggers of version 0.1.0 have stored it.
    """

    def __init__(self, seconds: object = None, until: object = None) -> None:
        if not _is_number(seconds) and _is_number(until):
            seconds = float(until) - time.time()  # type: ignore[arg-type]
        held = float(seconds) if _is_number(seconds) else 0.0  # type: ignore[arg-type]
        self._ends = asyncio.get_running_loop().time() + min(MAX_HOLD, max(0.0, held))

    async def passed(self) -> None:
        """Wait until the deferral may end."""
        await asyncio.sleep(max(0.0, self._ends - asyncio.get_running_loop().time()))


def _is_number(value: object) -> bool:
    # What makes no sense here is worth no error: the most that it costs is ten seconds.
    return isinstance(value, int | float) and abs(value) < 1e12
