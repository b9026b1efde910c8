# SPDX-License-Identifier: Apache-2.0
"""
Give work a time limit, and lose no cancellation.

``asyncio.wait_for`` of Python before 3.12 returns the result, and forgets that it was cancelled, when the work ends at
the same moment (https://github.com/python/cpython/issues/86296). A loop that is cancelled then goes on, and the
caller that waits for its end hangs. So nothing in this package uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float | None, work: Awaitable[T]) -> T:
    """
    Return the result of the work, which is cancelled when the time is over, or when this is cancelled.

    :param seconds: The limit; None for none.
    :param work: What to await.
    :raises asyncio.TimeoutError: When the time is over before the work has ended.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        is_late = not task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    if is_late and task.cancelled():
        raise asyncio.TimeoutError
    return task.result()
