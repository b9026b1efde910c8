# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.batch.jobs.states import (
    DEPEND_ON,
    ENDED,
    FAILED_ACTIONS,
    FINAL,
    NEXT,
    Cause,
    StartDecision,
    after_failure,
    decide_start,
    derive,
    metrics,
)
from tencent_batch_emulator.services.batch.vocabulary import State

states = st.lists(st.sampled_from(State), min_size=1, max_size=6)


@given(states)
def test_nothing_has_ended_while_one_instance_has_not(instances: list[State]) -> None:
    ended = derive(Counter(instances)) in ENDED
    assert ended == all(state in ENDED for state in instances)


@given(states)
def test_a_task_succeeds_only_when_every_instance_has(instances: list[State]) -> None:
    assert (derive(Counter(instances)) is State.SUCCEED) == (set(instances) == {State.SUCCEED})


@given(states)
def test_an_interrupted_instance_shows_until_it_is_terminated(instances: list[State]) -> None:
    if State.FAILED_INTERRUPTED in instances and all(state in ENDED for state in instances):
        assert derive(Counter(instances)) is State.FAILED_INTERRUPTED


@given(states, st.sampled_from(State))
def test_counts_add_up_whatever_the_states(instances: list[State], more: State) -> None:
    assert sum(metrics(Counter([*instances, more])).values()) == len(instances) + 1


@given(st.sampled_from(DEPEND_ON), st.lists(states, max_size=4))
def test_a_decision_is_final_once_every_predecessor_has_ended(depend_on: str, predecessors: list[list[State]]) -> None:
    decision = decide_start(depend_on, [Counter(instances) for instances in predecessors])
    ended = [all(state in ENDED for state in instances) for instances in predecessors]
    if all(ended):
        assert decision is not StartDecision.WAIT
    elif decision is StartDecision.START:
        pytest.fail("a task may start before its predecessors have ended")


@given(st.lists(states, min_size=1, max_size=4))
def test_a_stricter_rule_allows_no_more_than_a_looser_one(predecessors: list[list[State]]) -> None:
    counts = [Counter(instances) for instances in predecessors]
    strict, partly, finished = (decide_start(name, counts) for name in DEPEND_ON)
    if strict is StartDecision.START:
        assert partly is StartDecision.START
    if partly is StartDecision.START:
        assert finished is StartDecision.START
    assert finished is not StartDecision.NEVER


@given(
    st.sampled_from(FAILED_ACTIONS),
    st.sampled_from([cause for cause in Cause if cause is not Cause.TERMINATED]),
    st.integers(1, 10),
    st.integers(0, 5),
)
def test_a_failure_is_retried_max_retry_count_times(action: str, cause: Cause, failures: int, retries: int) -> None:
    state = after_failure(action, cause, failures, retries)
    assert (state is State.RUNNABLE) == (failures <= retries and action != "FAST_INTERRUPT")


@given(st.sampled_from(FAILED_ACTIONS), st.integers(1, 10), st.integers(0, 5))
def test_a_requested_termination_is_never_retried(action: str, failures: int, retries: int) -> None:
    assert after_failure(action, Cause.TERMINATED, failures, retries) is State.FAILED


@pytest.mark.parametrize(("action", "state"), [("TERMINATE", "FAILED"), ("INTERRUPT", "FAILED_INTERRUPTED")])
def test_the_failed_action_decides_whether_the_server_is_kept(action: str, state: str) -> None:
    assert after_failure(action, Cause.EXITED, 1, 0).value == state
    assert after_failure(action, Cause.NOT_CREATED, 1, 0) is State.FAILED


def test_only_retry_jobs_leads_out_of_a_final_state() -> None:
    assert {state for last in FINAL for state in NEXT[last]} == {State.SUBMITTED}
