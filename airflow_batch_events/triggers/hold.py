# SPDX-License-Identifier: Apache-2.0
"""Hold what came too early: see ``HANDOVER`` in ``operators/waiting.py`` for why a deferral must not end at once."""

from __future__ import annotations

import asyncio
import time

MAX_HOLD = 10.0
"""Seconds for which an outcome is held at the most, whatever this machine's clock says."""


async def hold_until(not_before: float | None) -> None:
    """
    Wait until a deferral may end.

    :param not_before: Unix seconds; None does not wait.
    """
    if not_before is not None:
        await asyncio.sleep(min(MAX_HOLD, max(0.0, not_before - time.time())))
