# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest

from devtools.waits import wait_until, wait_while_progress


def test_a_wait_returns_what_it_waited_for() -> None:
    answers = iter([None, None, 0])
    assert wait_until(lambda: next(answers), failure=str, interval=0) == 0


def test_a_wait_that_takes_too_long_says_why() -> None:
    with pytest.raises(TimeoutError, match="still nothing"):
        wait_until(lambda: None, failure=lambda: "still nothing", timeout=0, interval=0)


def test_progress_keeps_a_wait_going() -> None:
    count = itertools.count()
    answers = iter([None] * 50 + ["done"])
    assert wait_while_progress(lambda: next(answers), lambda: next(count), failure=str, standstill=0, interval=0)


def test_a_standstill_ends_a_wait() -> None:
    with pytest.raises(TimeoutError, match="nothing moves"):
        wait_while_progress(lambda: None, lambda: 1, failure=lambda: "nothing moves", standstill=0, interval=0)
