# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.dispatch.clock import CloudClock

TRUE = 1_767_225_600.25


class Machine:
    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.passed = 0.0

    def clock(self) -> CloudClock:
        return CloudClock(lambda: self.wall + self.passed, lambda: self.passed)


def test_before_the_first_answer_it_is_the_machine_s_time():
    clock = Machine(wall=1000.0).clock()
    assert not clock.is_known
    assert clock.now() == 1000.0


def test_a_machine_that_is_an_hour_off_knows_better_after_one_answer():
    machine = Machine(wall=TRUE - 3600)
    clock = machine.clock()
    clock.learn(int(TRUE))
    machine.passed += 10
    assert TRUE + 9 <= clock.now() <= TRUE + 10


def test_a_step_of_the_wall_clock_changes_nothing():
    machine = Machine(wall=TRUE)
    clock = machine.clock()
    clock.learn(int(TRUE))
    before = clock.now()
    machine.wall += 86_400
    assert clock.now() == before


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 20)), min_size=1, max_size=50))
def test_late_answers_never_make_it_early_by_more_than_drift(answers):
    machine = Machine(wall=0.0)
    clock = machine.clock()
    best = float("-inf")
    for pause, travel in answers:
        machine.passed += pause + travel
        sent = TRUE + machine.passed - travel
        clock.learn(float(int(sent)))
        best = max(best, int(sent) - sent - travel)
        now = TRUE + machine.passed
        drift = 1e-4 * machine.passed + 1e-6
        assert now + best - drift <= clock.now() <= now + 1e-6
        if travel == 0:
            assert clock.latest() >= int(sent)
