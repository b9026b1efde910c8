# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import (
    MAX_RULES,
    UNHARMED,
    Fault,
    FaultPlan,
    MessagePlan,
    convert_fault,
    parse_fault,
)

JOB = {"topic": "jobs", "event": "JOB_SUCCEED"}
DESCRIBE = {"service": "batch", "action": "DescribeJobs", "queue": "", "topic": ""}


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0, running=False)


@pytest.fixture
def plan(clock: Clock) -> FaultPlan:
    return FaultPlan(clock, seed=1)


def test_without_rules_nothing_goes_wrong(plan: FaultPlan) -> None:
    assert plan.for_message(JOB) == UNHARMED
    assert plan.for_request(DESCRIBE) == []
    assert not plan.meets_messages


def test_the_next_events_of_a_name_are_dropped_and_no_others(plan: FaultPlan) -> None:
    plan.drop_next("JOB_SUCCEED", 2)

    assert plan.for_message({**JOB, "event": "JOB_FAILED"}) == UNHARMED
    assert [plan.for_message(JOB).copies for _ in range(3)] == [0, 0, 1]


def test_effects_on_one_message_add_up(plan: FaultPlan) -> None:
    plan.duplicate_next(times=3)
    plan.delay_next(seconds=2)
    plan.delay_next(seconds=5)
    plan.corrupt_next()
    plan.reorder(times=4, seconds=9)

    planned = plan.for_message(JOB)

    assert (planned.copies, planned.delay, planned.held, planned.held_for) == (3, 7, 4, 9)
    assert planned.corrupted is not None


def test_a_message_that_is_dropped_uses_up_no_later_rule(plan: FaultPlan) -> None:
    plan.drop_next()
    plan.duplicate_next()

    assert [plan.for_message(JOB).copies for _ in range(3)] == [0, 2, 1]


@pytest.mark.parametrize(
    ("matchers", "met"),
    [
        ({}, True),
        ({"action": "DescribeJobs"}, True),
        ({"action": "Describe*", "service": "batch"}, True),
        ({"action": "SubmitJob"}, False),
        ({"service": "cmq"}, False),
        ({"queue": "q"}, False),
    ],
)
def test_a_rule_meets_what_fits_all_its_matchers(plan: FaultPlan, matchers: dict[str, Any], met: bool) -> None:
    plan.add(Fault(effect="http_500", **matchers))

    assert bool(plan.for_request(DESCRIBE)) is met


def test_names_of_queues_do_not_know_case(plan: FaultPlan) -> None:
    plan.add(Fault(effect="http_500", queue="MyQueue"))

    assert plan.for_request({**DESCRIBE, "queue": "myqueue"})


def test_rules_for_messages_and_requests_are_separate(plan: FaultPlan) -> None:
    plan.drop_next()
    plan.http_500()

    assert [fault.effect for fault in plan.for_request(DESCRIBE)] == ["http_500"]
    assert plan.for_message(JOB) == MessagePlan(copies=0)


def test_a_rule_has_its_time(plan: FaultPlan, clock: Clock) -> None:
    plan.add(Fault(effect="http_500", after=10, duration=60))

    def is_met() -> bool:
        return bool(plan.for_request(DESCRIBE))

    assert not is_met()
    clock.advance(10)
    assert is_met()
    clock.advance(59)
    assert is_met()
    clock.advance(1)
    assert not is_met()


def test_throttling_lets_so_many_a_second_pass_for_each_action(plan: FaultPlan, clock: Clock) -> None:
    plan.throttle("Describe*", per_second=2)

    def passed(action: str) -> int:
        return sum(not plan.for_request({**DESCRIBE, "action": action}) for _ in range(10))

    assert (passed("DescribeJobs"), passed("DescribeJob"), passed("SubmitJob")) == (2, 2, 10)
    clock.advance(0.5)
    assert passed("DescribeJobs") == 1
    clock.advance(60)
    assert passed("DescribeJobs") == 2


def test_a_slow_throttle_lets_one_pass_now_and_then(plan: FaultPlan, clock: Clock) -> None:
    plan.throttle(per_second=0.1)

    assert [bool(plan.for_request(DESCRIBE)) for _ in range(2)] == [False, True]
    clock.advance(9)
    assert plan.for_request(DESCRIBE)
    clock.advance(1)
    assert not plan.for_request(DESCRIBE)


def test_rules_can_be_taken_back(plan: FaultPlan) -> None:
    first = plan.http_500()
    plan.drop_next()
    plan.remove(first)

    assert plan.for_request(DESCRIBE) == []
    assert [rule.fault.effect for rule in plan.rules] == ["drop"]
    with pytest.raises(KeyError, match="no fault number 1"):
        plan.remove(first)
    plan.clear()
    assert plan.rules == ()


def plans(seed: int, share: float, number: int = 200) -> list[MessagePlan]:
    plan = FaultPlan(Clock(0, running=False), seed)
    plan.add(Fault(effect="drop", share=share))
    return [plan.for_message(JOB) for _ in range(number)]


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_the_same_seed_and_traffic_give_the_same_faults(seed: int, share: float) -> None:
    assert plans(seed, share) == plans(seed, share)


def test_another_seed_gives_other_faults() -> None:
    assert plans(1, 0.5) != plans(2, 0.5)


def test_a_share_is_about_that_share() -> None:
    assert 250 < sum(one.copies == 0 for one in plans(3, 0.3, 1000)) < 350


def test_another_rule_does_not_change_what_a_rule_draws() -> None:
    alone, crowded = (FaultPlan(Clock(0, running=False), 5) for _ in range(2))
    for plan in (alone, crowded):
        plan.add(Fault(effect="drop", share=0.5))
    crowded.add(Fault(effect="corrupt", share=0.5))

    drops = [[plan.for_message(JOB).copies for _ in range(50)] for plan in (alone, crowded)]

    assert drops[0] == drops[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop", Fault(effect="drop")),
        ("drop event=JOB_SUCCEED share=0.3", Fault(effect="drop", event="JOB_SUCCEED", share=0.3)),
        ("throttle,action=DescribeJobs,per_second=2", Fault(effect="throttle", action="DescribeJobs", per_second=2)),
        ("hang seconds=3 next=2", Fault(effect="hang", seconds=3, next=2)),
        ("error code=4420 service=cmq", Fault(effect="error", code="4420", service="cmq")),
    ],
)
def test_a_fault_can_be_written_on_a_command_line(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "effect"),
        ("explode", "effect 'explode'.*duplicate.*throttle"),
        ("drop evnt=JOB_SUCCEED", "evnt=JOB_SUCCEED.*settings are.*event"),
        ("drop share=2", "share.*between 0 and 1"),
        ("drop share=many", "share"),
        ("drop next=0", "at least 1"),
        ("drop action=SubmitJob", "for messages"),
        ("hang event=JOB_FAILED", "for requests"),
        ("error action=SubmitJob", "needs a code"),
        ("duplicate times=1", "at least 2"),
        ("duplicate times=1000000000", "at most 1000"),
        ("hang seconds=1e300", "at most"),
        ("hang seconds=nan", "at least 0"),
        ("drop after=inf", "at most"),
        ("throttle per_second=1e300", "at most"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_what_would(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_fault(text)


def test_a_fault_from_json_is_checked_like_any_other() -> None:
    assert convert_fault({"effect": "delay", "seconds": 2}) == Fault(effect="delay", seconds=2)
    bad: list[Any] = [[], "drop", {"effect": "drop", "next": "3"}, {"effect": "drop", "unknown": 1}, {}]
    for wrong in bad:
        with pytest.raises(ValueError, match="cannot be used"):
            convert_fault(wrong)


def test_no_more_rules_than_can_be_tried_are_taken() -> None:
    plan = FaultPlan(Clock(0, running=False))
    for _ in range(MAX_RULES):
        plan.drop_next()
    with pytest.raises(ValueError, match="take some back"):
        plan.drop_next()
