# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.moved_time import MovedTimeLoop


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine in a loop of its own, in which time is moved; nothing may be left pending."""

    def run_in_moved_time(scenario: Coroutine[Any, Any, Any]) -> Any:
        loop = MovedTimeLoop()
        try:
            result = loop.run_until_complete(scenario)
            assert asyncio.all_tasks(loop) == set(), "the scenario has left tasks behind"
            return result
        finally:
            loop.close()

    return run_in_moved_time
