# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time is moved instead of waited for."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits, unless it is held: the time that a wait would have taken has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.holds = 0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events:
            return events
        if self.holds:
            began = time.perf_counter()
            events = super().select(timeout)
            self.now += time.perf_counter() - began
        elif timeout is None:
            raise RuntimeError("the test waits for something that nothing will ever do")
        else:
            self.now += timeout
        return events


class MovedTimeLoop(asyncio.SelectorEventLoop):
    """A loop in which an hour passes in a moment."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let time pass as it does, while a thread or another process has to answer first."""
        self.jumping.holds += 1
        try:
            yield
        finally:
            self.jumping.holds -= 1
