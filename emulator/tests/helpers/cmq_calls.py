# SPDX-License-Identifier: Apache-2.0
"""What the ``call`` fixture is, and how a test waits that must not hang."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Call = Callable[..., Awaitable[dict[str, Any]]]

T = TypeVar("T")


async def soon(waiting: Awaitable[T]) -> T:
    """Return the result of what must end now, since the clock stands still; fail when it does not."""
    return await asyncio.wait_for(waiting, 5)
