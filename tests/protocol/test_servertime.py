# SPDX-License-Identifier: Apache-2.0
"""Which time a request is signed with."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.protocol.servertime import TOLERANCE, ServerTime

NOW = 1_700_000_000.0


class Clocks:
    def __init__(self) -> None:
        self.wall = NOW
        self.monotonic = 5.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def server_time(self) -> ServerTime:
        return ServerTime(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


def test_this_machines_clock_is_used_until_an_answer_tells_otherwise() -> None:
    assert Clocks().server_time().now() == NOW


def test_a_small_difference_changes_nothing() -> None:
    time = Clocks().server_time()
    time.learn(formatdate(NOW - TOLERANCE + 1, usegmt=True))
    assert time.now() == NOW


@pytest.mark.parametrize("off", [-86400.0, -3600.0, 3600.0, 86400.0])
def test_a_wrong_clock_is_replaced_by_the_clouds(off: float) -> None:
    clocks = Clocks()
    time = clocks.server_time()
    time.learn(formatdate(NOW + off, usegmt=True))
    clocks.pass_by(120)
    assert time.now() == NOW + off + 120


def test_a_step_of_the_wall_clock_between_two_answers_changes_nothing() -> None:
    clocks = Clocks()
    time = clocks.server_time()
    time.learn(formatdate(NOW, usegmt=True))
    clocks.pass_by(60)
    clocks.wall -= 7200
    assert time.now() == NOW + 60


def test_it_knows_when_a_refused_request_had_the_wrong_time() -> None:
    time = Clocks().server_time()
    signed_at = time.now()
    assert not time.would_differ(signed_at)
    time.learn(formatdate(NOW + 3600, usegmt=True))
    assert time.would_differ(signed_at)


def test_every_date_is_passed_on() -> None:
    dates: list[float] = []
    time = ServerTime(dates.append)
    time.learn(formatdate(NOW, usegmt=True))
    time.learn(None)
    time.learn(formatdate(NOW + 1, usegmt=True))
    assert dates == [NOW, NOW + 1]


@given(st.text())
def test_an_unreadable_date_teaches_nothing_and_breaks_nothing(date: str) -> None:
    clocks = Clocks()
    time = clocks.server_time()
    time.learn(date)
    assert isinstance(time.now(), float)
