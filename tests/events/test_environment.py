# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import dataclass

import pendulum
import pytest
from events.env_facts import ENV, Env, Node, malformed, missing, nodes
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.catalog import NodeState
from airflow_batch_events.events.environment import EnvOutcome, NodeWait, creation_pause, creation_retries_of
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ComputeEnvFailedError,
    ComputeEnvNotFoundError,
    ComputeEnvTimeoutError,
    TransportError,
)

NOW = 1_767_225_600.0
NO_SERVER = "InternalError.CallCvm:ResourceInsufficient"


@dataclass
class Activity:
    node_id: str
    state: str = "FAILED"
    end_time: pendulum.DateTime | None = None
    state_reason: str = NO_SERVER
    kind: str = "CREATE_COMPUTE_NODE"


def failure(node, seconds_ago, **fields):
    return Activity(node.node_id, end_time=pendulum.from_timestamp(NOW - seconds_ago), **fields)


def test_the_wait_ends_when_as_many_nodes_run_as_are_wanted():
    wait = NodeWait(ENV, 2)
    wait.on_poll(Env(3, nodes("RUNNING", "CREATING", "CREATED")))
    assert wait.outcome is None
    assert wait.progress == "1 of 2 nodes run, 1 CREATING, 1 CREATED"
    wait.on_poll(Env(3, nodes("RUNNING", "RUNNING", "CREATED")))
    assert wait.outcome == EnvOutcome(ENV, "READY", True, 2)
    assert wait.outcome.error is None


def test_an_exact_wait_lasts_until_surplus_nodes_have_gone():
    wait = NodeWait(ENV, 1, exactly=True)
    wait.on_poll(Env(1, nodes("RUNNING", "DELETING")))
    assert wait.outcome is None
    wait.on_poll(Env(1, nodes("RUNNING")))
    assert wait.outcome is not None
    assert wait.outcome.succeeded


def test_a_wait_for_no_nodes_ends_when_the_last_has_gone():
    wait = NodeWait(ENV, 0, exactly=True)
    wait.on_poll(Env(0, nodes("DELETING")))
    assert wait.outcome is None
    wait.on_poll(Env(0, []))
    assert wait.outcome is not None
    assert wait.outcome.succeeded


def test_attached_nodes_count_only_towards_a_least_number():
    mixed = [*nodes("RUNNING"), Node("node-attached", "RUNNING", {"ResourceOrigin": "USER_ATTACHED"})]
    at_least, exact = NodeWait(ENV, 2), NodeWait(ENV, 1, exactly=True)
    for wait in (at_least, exact):
        wait.on_poll(Env(1, mixed))
        assert wait.outcome is not None
        assert wait.outcome.succeeded


def test_a_failed_node_ends_nothing_while_the_cloud_tries_again():
    wait = NodeWait(ENV, 1, creation_retries=7)
    (node,) = nodes("CREATION_FAILED")
    assert wait.on_poll(Env(1, [node])) == [node.node_id]
    wait.on_activities([failure(node, 10)], NOW)
    assert wait.outcome is None


def test_a_node_that_has_used_up_its_retries_ends_the_wait():
    wait = NodeWait(ENV, 2, creation_retries=1)
    failed, running = nodes("CREATION_FAILED", "RUNNING")
    wait.on_poll(Env(2, [failed, running]))
    wait.on_activities([failure(failed, 5), failure(failed, 700, state_reason="older")], NOW)
    assert wait.outcome is not None
    assert wait.outcome.state == "CREATION_FAILED"
    assert isinstance(wait.outcome.error, ComputeEnvFailedError)
    assert str(wait.outcome.error) == (
        f"Compute environment {ENV}: the cloud has given up on a node; 1 of 2 nodes run, 1 CREATION_FAILED; "
        f"node-00000000: {NO_SERVER}"
    )


@pytest.mark.parametrize("state", ["SUBMITTED", "PROCESSING"])
def test_a_creation_that_is_under_way_is_never_final(state):
    wait = NodeWait(ENV, 1, creation_retries=0)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, 100_000), Activity(node.node_id, state=state)], NOW)
    assert wait.outcome is None


@pytest.mark.parametrize(("failures", "is_final"), [(2, False), (3, True)])
def test_a_node_is_given_up_after_the_last_retry_has_failed(failures, is_final):
    wait = NodeWait(ENV, 1, creation_retries=2)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, seconds) for seconds in range(failures)], NOW)
    assert wait.is_done is is_final


def test_only_creations_that_failed_count_as_failures():
    wait = NodeWait(ENV, 1, creation_retries=0)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, 10, kind="TERMINATE_COMPUTE_NODE"), Activity(node.node_id, "SUCCEED")], NOW)
    assert wait.outcome is None


@pytest.mark.parametrize(("seconds_ago", "is_final"), [(899, False), (901, True)])
def test_without_a_known_limit_a_second_failure_is_final(seconds_ago, is_final):
    # The pause after a first failure is 600 s, and the two clocks may differ by 300 s.
    wait = NodeWait(ENV, 1)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, seconds_ago)], NOW)
    assert wait.is_done is is_final


def test_the_caller_says_how_many_failed_nodes_are_too_many():
    wait = NodeWait(ENV, 3, max_failed_nodes=1)
    wait.on_poll(Env(3, nodes("CREATION_FAILED", "CREATING", "RUNNING")))
    wait.on_activities([], NOW)
    assert wait.outcome is None
    failed = nodes("CREATION_FAILED", "CREATION_FAILED", "RUNNING")
    wait.on_poll(Env(3, failed))
    wait.on_activities([failure(failed[0], 1)], NOW)
    assert wait.outcome is not None
    assert "too many nodes could not be created (2, where 1 may fail)" in str(wait.outcome.reason)
    assert NO_SERVER in str(wait.outcome.reason)


def test_too_many_failed_nodes_end_the_wait():
    wait = NodeWait(ENV, 1, max_failed_nodes=0)
    wait.on_poll(Env(1, nodes("CREATION_FAILED")))
    wait.on_activities([], NOW)
    assert wait.is_done


def test_no_more_nodes_are_explained_than_can_be_asked_for():
    wait = NodeWait(ENV, 50)
    assert len(wait.on_poll(Env(50, nodes(*["CREATION_FAILED"] * 50)))) == 3


def test_an_environment_that_is_being_deleted_will_have_no_nodes():
    wait = NodeWait(ENV, 1)
    wait.on_poll(Env(1, nodes("RUNNING"), next_action="DELETING"))
    assert wait.outcome is not None
    assert isinstance(wait.outcome.error, ComputeEnvFailedError)


def test_an_unknown_environment_is_not_found_after_its_grace():
    wait = NodeWait(ENV, 1, grace=60)
    wait.on_error(missing(), NOW)
    wait.on_error(missing(), NOW + 59)
    assert wait.outcome is None
    wait.on_error(missing(), NOW + 60)
    assert wait.outcome is not None
    assert isinstance(wait.outcome.error, ComputeEnvNotFoundError)


def test_an_environment_that_was_seen_gets_the_whole_grace_again():
    wait = NodeWait(ENV, 1, grace=60)
    wait.on_error(missing(), NOW)
    wait.on_poll(Env(1, nodes("CREATING")))
    wait.on_error(missing(), NOW + 61)
    assert wait.outcome is None


def test_what_could_not_be_read_is_no_fact():
    wait = NodeWait(ENV, 1, grace=0)
    wait.on_error(TransportError("cut"), NOW)
    wait.on_error(ApiCredentialsError("DescribeComputeEnv", "AuthFailure.SecretIdNotFound", "no"), NOW)
    assert wait.outcome is None


def test_a_failure_is_not_final_by_an_unknown_clock():
    wait = NodeWait(ENV, 1)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, 1e6)], None)
    assert wait.outcome is None
    wait.on_activities([failure(node, 1e6)], NOW)
    assert wait.outcome is not None


def test_a_creation_whose_state_cannot_be_read_may_be_under_way():
    wait = NodeWait(ENV, 1, creation_retries=0)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([failure(node, 1e6), failure(node, 1, state="")], NOW)
    assert wait.outcome is None


def test_a_node_that_cannot_be_read_keeps_an_exact_wait_open():
    odd = [*nodes("RUNNING"), Node("", "", {})]
    wait = NodeWait(ENV, 1, exactly=True)
    wait.on_poll(Env(1, odd))
    assert wait.outcome is None


def test_a_malformed_id_is_not_found_once_confirmed():
    wait = NodeWait("render", 1)
    for seconds in (0, 2):
        wait.on_error(malformed(), NOW + seconds)
        assert wait.outcome is None
        assert wait.is_refused
    wait.on_error(malformed(), NOW + 4)
    assert wait.outcome is not None
    assert isinstance(wait.outcome.error, ComputeEnvNotFoundError)
    assert "EnvIdMalformed" in str(wait.outcome.error)


@pytest.mark.parametrize("between", [lambda wait: wait.on_poll(Env(1, nodes("CREATING"))), lambda wait: None])
def test_a_refusal_that_does_not_last_ends_no_wait_for_nodes(between):
    wait = NodeWait(ENV, 1)
    wait.on_error(malformed(), NOW)
    wait.on_error(malformed(), NOW + 1)
    between(wait)
    wait.on_error(malformed(), NOW + 2)
    assert wait.outcome is None


def test_the_deadline_says_what_was_missing():
    wait = NodeWait(ENV, 3)
    wait.on_poll(Env(2, nodes("RUNNING", "ABNORMAL")))
    wait.on_deadline()
    assert wait.outcome is not None
    assert isinstance(wait.outcome.error, ComputeEnvTimeoutError)
    assert "1 of 3 nodes run, 1 ABNORMAL (the environment is set to 2 nodes)" in str(wait.outcome.error)


@given(st.lists(st.lists(st.sampled_from([*NodeState]), max_size=4), max_size=6), st.integers(0, 4))
def test_a_wait_ends_once(polls, wanted):
    wait = NodeWait(ENV, wanted, max_failed_nodes=0)
    ended = None
    for states in polls:
        wait.on_poll(Env(4, nodes(*states)))
        wait.on_activities([], NOW)
        if ended is None and states.count(NodeState.RUNNING) >= wanted:
            assert wait.outcome is not None
        ended = ended or wait.outcome
        assert wait.outcome == ended
    wait.on_deadline()
    assert ended is None or wait.outcome == ended


def test_an_outcome_comes_back_from_a_trigger_as_it_was():
    outcome = EnvOutcome(ENV, "TIMEOUT", False, 2, "the deadline passed first")
    assert EnvOutcome.from_dict(outcome.to_dict()) == outcome
    assert outcome.to_dict() == {
        "env_id": ENV,
        "state": "TIMEOUT",
        "succeeded": False,
        "running_nodes": 2,
        "reason": "the deadline passed first",
    }
    for data in ({"job_id": "job-12345678"}, {"env_id": ENV}, "x", None):
        with pytest.raises(ValueError, match=r"not the outcome of a wait(: a (str|NoneType)$|, which has an env_id)"):
            EnvOutcome.from_dict(data)


def test_an_outcome_of_another_version_is_read():
    assert not EnvOutcome.from_dict({"env_id": ENV, "state": "READY", "succeeded": False}).succeeded
    assert EnvOutcome.from_dict({"env_id": ENV, "state": "READY", "later": 1}) == EnvOutcome(ENV, "READY", True)
    odd = {"env_id": ENV, "state": "TIMEOUT", "succeeded": None, "running_nodes": "2", "reason": 7}
    assert EnvOutcome.from_dict(odd) == EnvOutcome(ENV, "TIMEOUT", False, 0, "7")


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 600), (3, 600), (4, 900), (10, 900), (11, 1800), (50, 1800), (51, 3600), (101, 3600)]
)
def test_pauses_between_creations_are_the_documented_ones(failures, seconds):
    assert creation_pause(failures) == seconds


@pytest.mark.parametrize(
    ("compute_env", "retries"),
    [({}, 7), ({"ResourceMaxRetryCount": 0}, 0), ({"ActionIfComputeNodeInactive": "RETAIN"}, 0)],
)
def test_creation_retries_are_read_from_the_description(compute_env, retries):
    assert creation_retries_of(compute_env) == retries


def test_an_unknown_environment_is_not_found_after_the_grace_period():
    wait = NodeWait(ENV, 1, grace=60)
    wait.on_error(missing(), 100.0)
    wait.on_error(missing(), 159.0)
    assert wait.outcome is None
    wait.on_error(missing(), 160.0)
    assert wait.outcome is not None
    assert wait.outcome.reason == "the API has not known it for 60 s: the id is wrong, or it is deleted"


def test_a_wait_that_saw_nothing_says_so_at_the_deadline():
    wait = NodeWait(ENV, 2)
    wait.on_activities([], None)
    wait.on_deadline()
    reason = "the deadline passed first; it has not been seen yet"
    assert wait.outcome == EnvOutcome(ENV, "TIMEOUT", False, 0, reason)


def test_a_wait_that_ends_badly_tells_how_many_nodes_run():
    wait = NodeWait(ENV, 3)
    assert wait.on_poll(Env(3, nodes("RUNNING", "CREATING", "CREATING"), next_action="DELETING")) == ()
    reason = "it is being deleted; 1 of 3 nodes run, 2 CREATING"
    assert wait.outcome == EnvOutcome(ENV, "DELETING", False, 1, reason)


def test_no_node_is_explained_after_the_wait_has_ended():
    wait = NodeWait(ENV, 1)
    wait.on_poll(Env(2, nodes("RUNNING")))
    assert wait.on_poll(Env(2, nodes("RUNNING", "CREATION_FAILED"))) == ()


def test_a_failure_without_a_reason_or_a_time_is_told_as_that():
    wait = NodeWait(ENV, 1, max_failed_nodes=0)
    (node,) = nodes("CREATION_FAILED")
    wait.on_poll(Env(1, [node]))
    wait.on_activities([Activity(node.node_id, state_reason="")], NOW)
    assert wait.outcome == EnvOutcome(
        ENV,
        "CREATION_FAILED",
        False,
        0,
        "too many nodes could not be created (1, where 0 may fail); 0 of 1 nodes run, 1 CREATION_FAILED; "
        "node-00000000: no reason given",
    )


def test_what_is_no_outcome_is_told_by_its_type():
    with pytest.raises(ValueError, match=r"^not the outcome of a wait: a list$"):
        EnvOutcome.from_dict([])
