# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from airflow_batch_events.dispatch.poll_schedule import (
    AHEAD,
    CALL_INTERVAL,
    COALESCE,
    DEGRADED_INTERVAL,
    MAX_PAUSE,
    MIN_INTERVAL,
    MISSING_INTERVAL,
    SHARED_FOR,
    SHARED_INTERVAL,
    PollSchedule,
)
from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.limits import MAX_IDS

JOBS = [f"job-{number}" for number in range(5000)]


def schedule_of(jobs: int = 1000, *, has_queue: bool = True, seed: int = 0) -> PollSchedule:
    schedule = PollSchedule(random.Random(seed))
    schedule.has_queue = has_queue
    schedule.add(JOBS[:jobs], 0.0)
    return schedule


def due(schedule: PollSchedule, job_id: str) -> float:
    at = schedule.due(job_id)
    return math.inf if at is None else at


def polled(schedule: PollSchedule, now: float) -> list[str]:
    batches = schedule.take(now)
    ids: list[str] = []
    while (batch := batches.take()) is not None:
        ids += batch
    return ids + batches.left


def next_after(
    schedule: PollSchedule, now: float = 0.0, *, asked_for: float = 300.0, is_missing: bool = False
) -> float:
    """Return after how many seconds a job is polled again whose poll was answered now."""
    while JOBS[0] not in polled(schedule, now):
        pass
    schedule.on_poll(JOBS[0], interval=asked_for, is_missing=is_missing, now=now)
    return due(schedule, JOBS[0]) - now


def at_most(seconds: float) -> object:
    return pytest.approx(0.9 * seconds, abs=0.1 * seconds + 1e-6)


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 30), (100, 30), (101, 60), (1000, 300), (5000, 300)])
def test_with_a_queue_one_call_in_half_a_minute_is_cheap_enough(jobs, seconds):
    assert next_after(schedule_of(jobs)) == at_most(seconds)


@pytest.mark.parametrize(("asked_for", "seconds"), [(300.0, 300), (2.0, 2), (0.0, MIN_INTERVAL)])
def test_without_a_queue_a_wait_is_polled_as_it_asks_for(asked_for, seconds):
    assert next_after(schedule_of(1, has_queue=False), asked_for=asked_for) == at_most(seconds)


def test_there_is_no_queue_until_one_is_told_of():
    schedule = PollSchedule()
    schedule.add(JOBS[:1], 0.0)
    assert next_after(schedule) == at_most(300)


def test_polls_come_at_the_same_times_with_the_same_randomness():
    assert next_after(schedule_of(seed=1)) == next_after(schedule_of(seed=1)) != next_after(schedule_of(seed=2))


def test_a_fact_says_whether_it_has_brought_a_poll_forward():
    schedule = schedule_of(0)
    assert schedule.add(JOBS[:2], 0.0)
    polled(schedule, 0.0)
    assert schedule.ask(JOBS[:1], 10.0)
    assert schedule.ask(JOBS[:2], 10.0)
    assert not schedule.ask(JOBS[:3], 10.0)
    assert schedule.ask(JOBS[:3], 9.0)


def test_polls_are_frequent_while_the_queue_cannot_be_read():
    schedule = schedule_of()
    next_after(schedule)
    assert not schedule.on_health(True, 100.0)
    assert schedule.on_health(False, 100.0)
    assert 100.0 <= due(schedule, JOBS[0]) <= 100.0 + DEGRADED_INTERVAL
    assert not schedule.on_health(False, 101.0)
    assert next_after(schedule, 120.0) == at_most(DEGRADED_INTERVAL)
    schedule.on_health(True, 140.0)
    assert next_after(schedule, 140.0) == at_most(300)


def test_a_sign_of_another_triggerer_makes_polls_frequent():
    schedule = schedule_of()
    next_after(schedule)
    assert schedule.on_foreign_event(100.0)
    assert not schedule.on_foreign_event(101.0)
    assert 100.0 <= due(schedule, JOBS[0]) <= 100.0 + SHARED_INTERVAL
    assert next_after(schedule, 200.0) == at_most(SHARED_INTERVAL)
    assert next_after(schedule, 102.0 + SHARED_FOR) == at_most(300)


def test_a_job_that_is_not_visible_yet_is_polled_soon():
    assert next_after(schedule_of(), is_missing=True) == at_most(MISSING_INTERVAL)


def test_a_clock_that_jumped_makes_every_job_s_poll_immediate():
    schedule = schedule_of(1)
    next_after(schedule)
    schedule.on_clock_jump(5.0)
    assert 5.0 <= due(schedule, JOBS[0]) <= 5.0 + COALESCE


def test_a_refused_id_is_asked_for_alone_soon():
    schedule = schedule_of(3)
    polled(schedule, 0.0)
    schedule.on_refusal(JOBS[1], 0.0)
    assert due(schedule, JOBS[1]) == CONFIRM_INTERVAL
    schedule.ask(JOBS[:3], 1.0)
    batches = schedule.take(2.0)
    assert [batches.take(), batches.take()] == [[JOBS[0], JOBS[2]], [JOBS[1]]]


def test_each_refused_id_is_asked_for_alone():
    schedule = schedule_of(3)
    polled(schedule, 0.0)
    for job_id in JOBS[1:3]:
        schedule.on_refusal(job_id, 0.0)
    schedule.ask(JOBS[:3], 1.0)
    batches = schedule.take(2.0)
    assert [batches.take(), batches.take(), batches.take()] == [[JOBS[0]], [JOBS[1]], [JOBS[2]]]
    assert [schedule.is_apart(job_id) for job_id in JOBS[:3]] == [False, True, True]


def often_unread():
    """Return a schedule whose one job could not be read five times."""
    schedule = schedule_of(1)
    for _ in range(5):
        polled(schedule, 0.0)
        schedule.on_unread(JOBS[:1], 0.0)
        schedule.ask(JOBS[:1], 0.0)
    return schedule


def test_a_job_that_is_waited_for_anew_has_a_clean_record():
    schedule = often_unread()
    schedule.forget(JOBS[0])
    assert JOBS[0] not in schedule
    schedule.add(JOBS[:1], 0.0)
    assert JOBS[0] in schedule
    assert not schedule.is_apart(JOBS[0])
    polled(schedule, 0.0)
    schedule.on_unread(JOBS[:1], 0.0)
    assert due(schedule, JOBS[0]) <= 2


def test_a_job_whose_state_was_told_has_a_clean_record():
    schedule = often_unread()
    assert schedule.is_apart(JOBS[0])
    next_after(schedule)
    assert not schedule.is_apart(JOBS[0])
    schedule.ask(JOBS[:1], 0.0)
    polled(schedule, 0.0)
    schedule.on_unread(JOBS[:1], 0.0)
    assert due(schedule, JOBS[0]) <= 2


def test_a_job_is_due_at_no_time_while_its_poll_is_under_way():
    schedule = schedule_of(1)
    assert schedule.due(JOBS[0]) == 0.0
    polled(schedule, 0.0)
    assert schedule.due(JOBS[0]) is None
    assert schedule.due(JOBS[1]) is None


def test_a_poll_asks_for_no_more_than_a_call_holds():
    schedule = schedule_of(MAX_IDS + 1)
    assert [len(polled(schedule, 0.0)) for _ in range(2)] == [MAX_IDS, 1]


def test_an_unread_job_is_polled_later_in_smaller_batches():
    schedule = schedule_of(8)
    now = 0.0
    sizes, pauses = [], []
    for _ in range(6):
        batches = schedule.take(now)
        together = next(batch for batch in iter(batches.take, None) if JOBS[0] in batch)
        sizes.append(len(together))
        schedule.on_unread(together, now)
        schedule.ask(JOBS[:8], now + MAX_PAUSE)
        pauses.append(due(schedule, JOBS[0]) - now)
        now += MAX_PAUSE
    assert sizes == [8, 4, 2, 1, 1, 1]
    assert MAX_PAUSE / 2 <= pauses[-1] <= MAX_PAUSE
    assert pauses[0] <= 2


def test_an_outage_delays_every_poll_until_an_answer():
    schedule = schedule_of(1)
    pauses = [schedule.on_outage(0.0) for _ in range(20)]
    assert pauses[0] <= 2
    assert MAX_PAUSE / 2 <= pauses[-1] <= MAX_PAUSE
    assert schedule.next_due() == pauses[-1] == due(schedule, JOBS[0])
    assert schedule.failures == 20
    schedule.on_answer()
    assert schedule.failures == 0


@pytest.mark.parametrize(("jobs", "seconds"), [(99, COALESCE), (100, 0.0), (250, 0.0)])
def test_a_poll_waits_for_others_unless_its_call_is_full(jobs, seconds):
    assert schedule_of(jobs).gather_for(0.0) == seconds


def test_many_waits_make_no_full_call_while_few_are_due():
    schedule = schedule_of(150)
    for _ in range(2):
        for job_id in polled(schedule, 0.0):
            schedule.on_poll(job_id, interval=300.0, is_missing=False, now=0.0)
    schedule.ask(JOBS[:3], 1.0)
    assert schedule.gather_for(1.0) == COALESCE


class Schedule(RuleBasedStateMachine):
    """Any order of facts: no job is lost, none comes twice, and no fact puts a poll off."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = PollSchedule(random.Random(0))
        self.now = 0.0
        self.waiting: set[str] = set()
        self.under_way: set[str] = set()
        self.blocked_until = 0.0

    jobs = st.sampled_from(JOBS[:150])

    def brings_forward(self, tell) -> None:
        before = {job_id: due(self.schedule, job_id) for job_id in self.waiting}
        tell()
        after = {job_id: due(self.schedule, job_id) for job_id in self.waiting}
        assert all(after[job_id] <= at for job_id, at in before.items())
        # A fact asks also for what is under way.
        self.under_way -= {job_id for job_id, at in after.items() if at < math.inf}

    @rule(seconds=st.floats(0.0, 400.0))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(job_ids=st.lists(jobs, max_size=150))
    def wait(self, job_ids):
        self.waiting |= set(job_ids)
        self.brings_forward(lambda: self.schedule.add(job_ids, self.now))
        assert all(due(self.schedule, job_id) <= max(self.now, self.blocked_until) for job_id in job_ids)

    @rule(job_id=jobs)
    def leave(self, job_id):
        self.schedule.forget(job_id)
        self.waiting.discard(job_id)
        self.under_way.discard(job_id)

    @rule(is_readable=st.booleans(), has_queue=st.booleans())
    def health(self, is_readable, has_queue):
        self.schedule.has_queue = has_queue
        self.brings_forward(lambda: self.schedule.on_health(is_readable, self.now))

    @rule()
    def foreign_event(self):
        self.brings_forward(lambda: self.schedule.on_foreign_event(self.now))

    @rule()
    def clock_jump(self):
        self.brings_forward(lambda: self.schedule.on_clock_jump(self.now))

    @rule(job_id=jobs)
    def doubtful_event(self, job_id):
        self.brings_forward(lambda: self.schedule.ask([job_id], self.now))

    @rule()
    def outage(self):
        pause = self.schedule.on_outage(self.now)
        assert 0 < pause <= MAX_PAUSE
        self.blocked_until = self.now + pause

    @rule(data=st.data())
    def poll(self, data):
        due_now = {job_id for job_id in self.waiting if due(self.schedule, job_id) <= self.now}
        ids = polled(self.schedule, self.now)
        assert len(ids) == len(set(ids)) <= MAX_IDS
        assert set(ids) <= self.waiting - self.under_way
        assert len(ids) == MAX_IDS or due_now <= set(ids)
        self.under_way |= set(ids)
        told = data.draw(st.sampled_from(["states", "nothing", "refused", "failed"]))
        interval = data.draw(st.floats(0.0, 3600.0))
        for job_id in ids:
            if told == "states":
                self.schedule.on_poll(job_id, interval=interval, is_missing=interval < 60, now=self.now)
                assert due(self.schedule, job_id) <= max(self.now + max(MIN_INTERVAL, interval), self.blocked_until)
            elif told == "refused":
                self.schedule.on_refusal(job_id, self.now)
        if told == "nothing":
            self.schedule.on_unread(ids, self.now)
        elif told == "failed":
            self.schedule.ask(ids, self.now)
        self.under_way -= set(ids)

    @invariant()
    def no_job_is_lost(self):
        assert len(self.schedule) == len(self.waiting)
        times = {job_id: due(self.schedule, job_id) for job_id in self.waiting}
        assert {job_id for job_id, at in times.items() if at == math.inf} == self.under_way
        known = [at for at in times.values() if at < math.inf]
        assert self.schedule.next_due() == (min(known) if known else None)
        assert all(at >= self.blocked_until for at in known)


TestAnyOrderOfFacts = Schedule.TestCase
TestAnyOrderOfFacts.settings = settings(max_examples=60, stateful_step_count=40)


@given(jobs=st.integers(1, 1000), asked_for=st.floats(1.0, 3600.0), seed=st.integers(0, 1000))
@settings(max_examples=50)
def test_no_interval_is_longer_than_its_two_limits(jobs, asked_for, seed):
    limit = min(asked_for, CALL_INTERVAL * math.ceil(jobs / MAX_IDS))
    seconds = next_after(schedule_of(jobs, seed=seed), asked_for=asked_for)
    assert 0.8 * limit <= seconds + 1e-6
    assert seconds <= limit + 1e-6


def test_only_jobs_that_are_due_soon_join_a_poll():
    schedule = schedule_of(0)
    schedule.add(["now", "soon", "later"], 1000.0)
    polled(schedule, 1000.0)
    for job_id, seconds in (("now", 0.0), ("soon", AHEAD), ("later", AHEAD + 1)):
        schedule.ask([job_id], 1000.0 + seconds)
    assert polled(schedule, 1000.0) == ["now", "soon"]
