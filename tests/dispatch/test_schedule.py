# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.dispatch.schedule import SHARED_FOR, PollSchedule


def interval(schedule, asked_for=300.0, *, jobs=1000, has_queue=True, is_missing=False, now=0.0):
    return schedule.interval(asked_for, jobs=jobs, has_queue=has_queue, is_missing=is_missing, now=now)


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 30), (100, 30), (101, 60), (1000, 300), (5000, 300)])
def test_with_a_queue_one_call_in_half_a_minute_is_cheap_enough(jobs, seconds):
    assert interval(PollSchedule(), jobs=jobs) == seconds


def test_without_a_queue_a_wait_is_polled_as_it_asks_for():
    assert interval(PollSchedule(), 300.0, jobs=1, has_queue=False) == 300


def test_a_queue_that_cannot_be_read_makes_polls_frequent_and_the_first_one_soon():
    schedule = PollSchedule()
    assert schedule.on_health(True) is None
    assert schedule.on_health(False) == 15
    assert schedule.on_health(False) is None
    assert interval(schedule) == 15
    schedule.on_health(True)
    assert interval(schedule) == 300


def test_a_sign_of_another_triggerer_makes_polls_frequent_for_a_while():
    schedule = PollSchedule()
    assert schedule.on_foreign_event(100.0) == 30
    assert schedule.on_foreign_event(101.0) is None
    assert interval(schedule, now=200.0) == 30
    assert interval(schedule, now=102.0 + SHARED_FOR) == 300


def test_a_job_that_is_not_visible_yet_is_polled_soon():
    assert interval(PollSchedule(), is_missing=True) == 5
