# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time is moved instead of waited for."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: the time that a wait would have taken has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("the test waits for something that nothing will ever do")
            self.now += timeout
        return events


class MovedTimeLoop(asyncio.SelectorEventLoop):
    """A loop in which an hour passes in a moment."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now
