# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate


def test_it_begins_with_the_most_unless_told_otherwise():
    assert AdaptiveRate(10.0).rate == 10
    assert AdaptiveRate(200.0, start=10.0).rate == 10
    assert AdaptiveRate(4.0).interval == 0.25


def test_throttling_halves_it_and_success_raises_it_slowly():
    rate = AdaptiveRate(10.0)
    rate.throttled()
    assert rate.rate == 5
    rate.succeeded()
    assert rate.rate == pytest.approx(5.1)


def test_after_the_first_throttling_it_recovers_carefully():
    rate = AdaptiveRate(200.0, start=10.0, gain=0.5, careful_gain=0.05, loss=0.8)
    rate.succeeded()
    assert rate.rate == 10.5
    rate.throttled()
    rate.succeeded()
    assert rate.rate == pytest.approx(10.5 * 0.8 + 0.05)


@given(st.lists(st.booleans(), max_size=500))
def test_it_stays_between_its_bounds(answers):
    rate = AdaptiveRate(10.0, 0.5)
    for is_success in answers:
        before = rate.rate
        if is_success:
            rate.succeeded()
            assert rate.rate >= before
        else:
            rate.throttled()
            assert rate.rate <= before
        assert 0.5 <= rate.rate <= 10


@pytest.mark.parametrize("limit", [2.0, 7.0])
def test_it_finds_the_limit_of_an_account(limit):
    """Each second the account takes so many calls and turns the others away."""
    rate = AdaptiveRate(10.0)
    taken = 0.0
    for _ in range(1000):
        calls = rate.rate
        taken += min(calls, limit)
        for _ in range(round(min(calls, limit))):
            rate.succeeded()
        if calls > limit:
            rate.throttled()
    assert taken >= 0.6 * limit * 1000
