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
    Verdict,
    after_failure,
    derive,
    judge,
    metrics,
)
from tencent_batch_emulator.services.batch.vocabulary import State

states = st.lists(st.sampled_from(State), min_size=1, max_size=6)


@given(states)
def test_nothing_has_ended_while_one_instance_has_not(instances):
    ended = derive(Counter(instances)) in ENDED
    assert ended == all(state in ENDED for state in instances)


@given(states)
def test_a_task_succeeds_only_when_every_instance_has(instances):
    assert (derive(Counter(instances)) is State.SUCCEED) == (set(instances) == {State.SUCCEED})


@given(states)
def test_an_interrupted_instance_shows_until_it_is_terminated(instances):
    if State.FAILED_INTERRUPTED in instances and all(state in ENDED for state in instances):
        assert derive(Counter(instances)) is State.FAILED_INTERRUPTED


@given(states, st.sampled_from(State))
def test_counts_add_up_whatever_the_states(instances, more):
    assert sum(metrics(Counter([*instances, more])).values()) == len(instances) + 1


@given(st.sampled_from(DEPEND_ON), st.lists(states, max_size=4))
def test_a_verdict_is_final_once_every_predecessor_has_ended(depend_on, predecessors):
    verdict = judge(depend_on, [Counter(instances) for instances in predecessors])
    ended = [all(state in ENDED for state in instances) for instances in predecessors]
    if all(ended):
        assert verdict is not Verdict.WAIT
    elif verdict is Verdict.GO:
        pytest.fail("a task may start before its predecessors have ended")


@given(st.lists(states, min_size=1, max_size=4))
def test_what_success_allows_partial_success_allows_and_what_that_allows_any_end_allows(predecessors):
    counts = [Counter(instances) for instances in predecessors]
    strict, partly, finished = (judge(name, counts) for name in DEPEND_ON)
    if strict is Verdict.GO:
        assert partly is Verdict.GO
    if partly is Verdict.GO:
        assert finished is Verdict.GO
    assert finished is not Verdict.NEVER


@given(
    st.sampled_from(FAILED_ACTIONS),
    st.sampled_from([cause for cause in Cause if cause is not Cause.TERMINATED]),
    st.integers(1, 10),
    st.integers(0, 5),
)
def test_a_failure_is_retried_exactly_max_retry_count_times_unless_it_interrupts_fast(action, cause, failures, retries):
    state = after_failure(action, cause, failures, retries)
    assert (state is State.RUNNABLE) == (failures <= retries and action != "FAST_INTERRUPT")


@given(st.sampled_from(FAILED_ACTIONS), st.integers(1, 10), st.integers(0, 5))
def test_termination_by_request_is_never_retried_and_keeps_nothing(action, failures, retries):
    assert after_failure(action, Cause.TERMINATED, failures, retries) is State.FAILED


@pytest.mark.parametrize(("action", "state"), [("TERMINATE", "FAILED"), ("INTERRUPT", "FAILED_INTERRUPTED")])
def test_the_failed_action_decides_whether_the_server_is_kept(action, state):
    assert after_failure(action, Cause.EXITED, 1, 0).value == state
    assert after_failure(action, Cause.NOT_CREATED, 1, 0) is State.FAILED


def test_only_retry_jobs_leads_out_of_a_final_state():
    assert {state for last in FINAL for state in NEXT[last]} == {State.SUBMITTED}
