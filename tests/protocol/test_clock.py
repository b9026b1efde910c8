# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.protocol.clock import AGREEING, AGREEING_FOR, CloudClock

NOW = 1_800_000_000.0
DAY = 86_400.0


class Times:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = NOW
        self.monotonic = 50.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def times():
    return Times()


@pytest.fixture
def clock(times):
    return CloudClock(lambda: times.wall, lambda: times.monotonic)


def hear(clock, times, ahead, count=1, every=3.0, is_good=True):
    for _ in range(count):
        clock.learn(times.wall + ahead, is_good=is_good)
        times.pass_(every)


def test_this_machine_s_time_counts_until_the_cloud_s_comes(clock, times):
    assert not clock.is_known
    assert clock.now() == NOW
    clock.learn(formatdate(NOW + 1, usegmt=True), is_good=True)
    assert clock.is_known
    assert clock.now() == NOW + 1


def test_a_step_of_the_wall_clock_changes_nothing(clock, times):
    clock.learn(NOW, is_good=True)
    times.wall += 3600
    assert clock.now() == NOW


@pytest.mark.parametrize("ahead", [DAY, -DAY, 60.0, -60.0])
def test_one_answer_moves_it_by_little(clock, times, ahead):
    hear(clock, times, 0.0)
    clock.learn(times.wall + ahead, is_good=True)
    assert abs(clock.now() - times.wall) < 5


def test_a_first_answer_against_this_clock_is_not_believed(clock, times):
    clock.learn(NOW + DAY, is_good=True)
    assert not clock.is_known
    assert clock.now() == NOW


def test_answers_that_agree_for_some_time_make_it_jump(clock, times):
    hear(clock, times, DAY, AGREEING + 1)
    assert clock.now() == pytest.approx(times.wall + DAY, abs=4)
    assert clock.jumps == 1
    hear(clock, times, 0.0, AGREEING + 1)
    assert clock.now() == pytest.approx(times.wall, abs=4)
    assert clock.jumps == 2


def test_many_answers_in_one_moment_are_one_opinion(clock, times):
    hear(clock, times, 0.0)
    hear(clock, times, DAY, 1000, every=0.0)
    times.pass_(AGREEING_FOR / 2)
    hear(clock, times, DAY, 1000, every=0.0)
    assert abs(clock.now() - times.wall) < 5


def test_wrong_answers_among_right_ones_are_never_believed(clock, times):
    for _ in range(100):
        hear(clock, times, 0.0)
        hear(clock, times, DAY, 4)
    assert abs(clock.now() - times.wall) < 5


def test_a_gateways_errors_teach_nothing_that_decides(clock, times):
    hear(clock, times, DAY, 100, is_good=False)
    assert not clock.is_known
    assert clock.signing_time() == times.wall


def test_a_refusal_corrects_the_time_to_sign_by_its_own_date(clock, times):
    clock.learn(times.wall + DAY, is_good=False)
    assert clock.correct(times.wall)
    times.pass_(60)
    assert clock.signing_time() == pytest.approx(times.wall + DAY)


def test_a_date_that_no_refusal_bears_out_corrects_nothing(clock, times):
    hear(clock, times, -DAY, 100)
    assert clock.signing_time() == times.wall


def test_a_correction_that_is_refused_as_well_is_taken_back(clock, times):
    clock.learn(times.wall - DAY, is_good=False)
    assert clock.correct(times.wall)
    assert not clock.correct(clock.signing_time())
    assert clock.signing_time() == times.wall


def test_a_refusal_at_the_right_time_corrects_nothing(clock, times):
    clock.learn(NOW + 3, is_good=False)
    assert not clock.correct(times.wall)
    assert clock.signing_time() == times.wall


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "soon",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        float("nan"),
        float("inf"),
        -1.0,
        "Fri, 27 Nov 2026 99:99:99 GMT",
    ],
)
def test_what_is_no_date_of_an_answer_teaches_nothing(clock, times, date):
    clock.learn(date, is_good=True)
    assert clock.now() == NOW
    assert clock.signing_time() == NOW


@given(st.text())
def test_no_header_makes_it_raise(text):
    CloudClock().learn(text, is_good=True)


def test_the_largest_of_near_samples_counts(clock, times):
    clock.learn(NOW + 2, is_good=True)
    times.pass_(1.0)
    clock.learn(times.wall, is_good=True)
    assert clock.now() == pytest.approx(times.wall + 2, abs=0.001)
