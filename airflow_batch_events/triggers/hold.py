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
"""Seconds for which an outcome is held at the most, whatever this machine's clock says."""


def end_of_handover() -> float:
    """Return the Unix seconds before which a deferral that begins now must not end."""
    return time.time() + conf.getint("workers", "min_heartbeat_interval", fallback=5) + HANDOVER


async def hold_until(not_before: float | None) -> None:
    """
    Wait until a deferral may end.

    :param not_before: Unix seconds; None does not wait.
    """
    if not_before is not None:
        await asyncio.sleep(min(MAX_HOLD, max(0.0, not_before - time.time())))
