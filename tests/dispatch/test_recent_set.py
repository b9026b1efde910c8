# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.dispatch.recent_set import FORGOTTEN_AFTER, REMEMBERED, FirstSeen, RecentSet


def test_what_came_is_known_until_ten_thousand_others_came():
    recent: RecentSet[int] = RecentSet()
    assert recent.add(0)
    assert not recent.add(0)
    for number in range(1, REMEMBERED + 1):
        recent.add(number)
    assert 0 not in recent


def test_an_age_counts_from_the_first_time():
    orphans: FirstSeen[str] = FirstSeen()
    assert [orphans.age("m1", now) for now in (100.0, 130.0, 220.0)] == [0, 30, 120]
    orphans.forget("m1")
    assert orphans.age("m1", 300.0) == 0


def test_of_too_large_a_crowd_some_grow_old():
    orphans: FirstSeen[int] = FirstSeen()
    crowd = range(2 * REMEMBERED)
    for now in (0.0, 30.0, 60.0):
        ages = [orphans.age(number, now) for number in crowd]
    assert ages.count(60.0) == REMEMBERED
    for number in range(REMEMBERED):
        orphans.forget(number)
    assert orphans.age(crowd[-1], 90.0) == 0
    assert orphans.age(crowd[-1], 120.0) == 30


def test_what_never_comes_again_makes_room():
    orphans: FirstSeen[int] = FirstSeen()
    for number in range(REMEMBERED):
        orphans.age(number, 0.0)
    late = FORGOTTEN_AFTER + 1
    assert orphans.age(-1, late) == 0
    assert orphans.age(-1, late + 30) == 30


def test_a_set_may_be_larger_or_smaller() -> None:
    seen: RecentSet[int] = RecentSet(2)
    assert [seen.add(number) for number in (1, 2, 1, 3, 1)] == [True, True, False, True, True]
