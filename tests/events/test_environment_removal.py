# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from events.env_facts import ENV, Env, Node, malformed, missing, nodes

from airflow_batch_events.events.environment import EnvOutcome
from airflow_batch_events.events.environment_removal import Removal, RemovalStep
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiRefusedError,
    ComputeEnvRefusedError,
    ComputeEnvTimeoutError,
)


def test_an_environment_is_drained_deleted_and_polled_until_gone():
    removal = Removal(ENV, drain=True)
    assert removal.on_poll(Env(2, nodes("RUNNING", "RUNNING"))) is RemovalStep.DRAIN
    assert removal.on_poll(Env(0, nodes("DELETING", "DELETING"))) is RemovalStep.WAIT
    assert removal.on_poll(Env(0, [])) is RemovalStep.DELETE
    assert removal.on_poll(Env(0, [], next_action="DELETING")) is RemovalStep.WAIT
    removal.on_error(missing())
    assert removal.outcome == EnvOutcome(ENV, "GONE", True)


def test_without_drain_an_environment_with_nodes_is_left_alone():
    removal = Removal(ENV, drain=False)
    assert removal.on_poll(Env(2, nodes("RUNNING", "RUNNING"))) is RemovalStep.DONE
    assert removal.outcome is not None
    assert isinstance(removal.outcome.error, ComputeEnvRefusedError)
    assert "set drain=True" in str(removal.outcome.error)


def test_nodes_that_are_leaving_are_waited_for_without_drain():
    assert Removal(ENV, drain=False).on_poll(Env(0, nodes("DELETING"))) is RemovalStep.WAIT


def test_attached_nodes_have_to_be_detached_by_their_user():
    removal = Removal(ENV, drain=True)
    assert removal.on_poll(Env(0, nodes("RUNNING", ResourceOrigin="USER_ATTACHED"))) is RemovalStep.DONE
    assert removal.outcome == EnvOutcome(
        ENV, "REFUSED", False, reason="1 of its nodes were attached by a user: detach them (DetachInstances) first"
    )


def test_a_refusal_is_retried_and_named_at_the_deadline():
    removal = Removal(ENV, drain=True)
    assert removal.on_poll(Env(1, nodes("CREATING"))) is RemovalStep.DRAIN
    code = "UnsupportedOperation.ComputeNodeForbidTerminate"
    removal.on_error(ApiRefusedError("ModifyComputeEnv", code, "nodes are being created"))
    assert removal.outcome is None
    assert removal.on_poll(Env(1, nodes("CREATING"))) is RemovalStep.DRAIN
    removal.on_deadline()
    assert removal.outcome is not None
    assert isinstance(removal.outcome.error, ComputeEnvTimeoutError)
    assert f"; last refused with {code}: nodes are being created" in str(removal.outcome.error)


def test_a_removal_of_what_was_never_seen_says_so():
    removal = Removal(ENV, drain=True)
    removal.on_deadline()
    assert removal.outcome is not None
    assert removal.outcome.reason == "it was not gone in time; it has not been seen yet"


def test_one_node_that_is_wanted_is_drained_too():
    assert Removal(ENV, drain=True).on_poll(Env(1, nodes("RUNNING"))) is RemovalStep.DRAIN
    assert Removal(ENV, drain=False).on_poll(Env(1, nodes("RUNNING"))) is RemovalStep.DONE


def test_an_environment_that_is_being_deleted_is_told_as_that():
    removal = Removal(ENV, drain=True)
    removal.on_poll(Env(0, [], next_action="DELETING"))
    assert removal.progress == "it is being deleted"


def test_a_removal_that_takes_too_long_says_how_far_it_came():
    removal = Removal(ENV, drain=True)
    removal.on_poll(Env(0, nodes("DELETING")))
    removal.on_deadline()
    assert removal.outcome == EnvOutcome(
        ENV, "TIMEOUT", False, reason="it was not gone in time; it has 1 nodes, 1 DELETING"
    )


def test_a_removal_that_may_not_be_done_is_not_tried_again():
    removal = Removal(ENV, drain=False)
    removal.on_error(ApiCredentialsError("DeleteComputeEnv", "UnauthorizedOperation", "not you"))
    assert removal.outcome == EnvOutcome(ENV, "REFUSED", False, reason="UnauthorizedOperation: not you")


@pytest.mark.parametrize("action", ["DescribeComputeEnv", "DeleteComputeEnv"])
def test_a_removal_ends_only_with_a_refusal_that_is_confirmed(action):
    removal = Removal(ENV, drain=True)
    for _ in range(2):
        removal.on_error(malformed(action))
        assert removal.outcome is None
    removal.on_error(malformed(action))
    assert removal.outcome is not None
    assert "EnvIdMalformed" in str(removal.outcome.error)


def test_a_poll_that_succeeds_clears_a_refusal_of_the_id():
    removal = Removal(ENV, drain=True)
    for _ in range(5):
        removal.on_error(malformed())
        assert removal.on_poll(Env(0, [])) is RemovalStep.DELETE
    assert removal.outcome is None


def test_an_environment_with_an_unread_node_is_not_deleted():
    assert Removal(ENV, drain=True).on_poll(Env(0, [Node("", "", {})])) is RemovalStep.WAIT
