# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.dispatch.deadline import Deadline

NOW = 1_767_225_600.0
times = st.floats(0, 1e10)
clocks = st.none() | times


def test_a_wait_without_limits_has_no_end():
    assert not Deadline().is_set
    assert Deadline().left(1e9, NOW, NOW) is None


def test_a_timeout_counts_from_the_beginning_of_the_wait_by_no_wall_clock():
    limit = Deadline(timeout=300)
    assert limit.left(100, None, 0.0) == 200
    assert limit.left(300, None, 0.0) == 0


def test_a_deadline_shortens_a_wait_that_began_anew():
    assert Deadline(timeout=300, at=NOW + 10).left(0, NOW, NOW) == 10


@pytest.mark.parametrize(
    ("cloud", "wall"),
    [(NOW, NOW + 86_400), (NOW + 86_400, NOW), (None, NOW + 86_400)],
    ids=["this machine's is fast", "the cloud's was learned wrong", "the cloud's is not known"],
)
def test_neither_clock_ends_a_wait_alone(cloud, wall):
    left = Deadline(at=NOW + 60).left(1e6, cloud, wall)
    assert left is None or left > 0


@given(timeout=st.none() | times, at=st.none() | times, elapsed=times, cloud=clocks, wall=times)
def test_a_wait_is_over_exactly_when_it_has_lasted_long_enough_or_both_clocks_say_so(timeout, at, elapsed, cloud, wall):
    left = Deadline(timeout, at).left(elapsed, cloud, wall)
    is_over = (timeout is not None and elapsed >= timeout) or (
        at is not None and cloud is not None and cloud >= at and wall >= at
    )
    assert (left == 0.0) == is_over
    assert left is None or left >= 0


@given(timeout=times, at=times, elapsed=times, cloud=clocks, wall=times)
def test_no_deadline_makes_a_wait_last_longer_than_its_timeout(timeout, at, elapsed, cloud, wall):
    left = Deadline(timeout, at).left(elapsed, cloud, wall)
    assert left is not None
    assert left <= max(0.0, timeout - elapsed)
