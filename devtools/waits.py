# SPDX-License-Identifier: Apache-2.0
"""
Wait for a state, with a bound that only something broken reaches.

A wait says what it waits for, never how long that takes: a machine that is five times slower must come to the same end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT = 600.0
"""Seconds after which a wait is given up: many times what the slowest takes on a slow machine."""

POLL_INTERVAL = 0.25
"""Default seconds between two polls."""


def wait_until(
    poll: Callable[[], T | None],
    *,
    failure: Callable[[], str],
    timeout: float = LIMIT,
    interval: float = POLL_INTERVAL,
) -> T:
    """
    Poll until there is a result.

    :param poll: Returns None while there is none.
    :param failure: Makes the message of the error.
    :param timeout: Seconds.
    :param interval: Seconds between two polls.
    :return: The result.
    :raises TimeoutError: There was none in time.
    """
    deadline = time.monotonic() + timeout
    while (found := poll()) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(failure())
        time.sleep(interval)
    return found


def wait_while_progress(
    poll: Callable[[], T | None],
    progress: Callable[[], object],
    *,
    failure: Callable[[], str],
    standstill: float,
    interval: float = POLL_INTERVAL,
) -> T:
    """
    Poll until there is a result, however long that takes, as long as something goes on.

    :param poll: Returns None while there is none.
    :param progress: Returns what changes as long as something goes on: a count, for example.
    :param failure: Makes the message of the error.
    :param standstill: Seconds without a change after which the wait has failed.
    :param interval: Seconds between two polls.
    :return: The result.
    :raises TimeoutError: Nothing has changed for so long.
    """
    last, changed_at = progress(), time.monotonic()
    while (found := poll()) is None:
        if (now := progress()) != last:
            last, changed_at = now, time.monotonic()
        elif time.monotonic() - changed_at >= standstill:
            raise TimeoutError(failure())
        time.sleep(interval)
    return found
