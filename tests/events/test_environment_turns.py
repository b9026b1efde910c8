# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from events.env_facts import ENV, Env, malformed, missing, nodes

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.environment import EnvOutcome, NodeWait
from airflow_batch_events.events.environment_removal import Removal
from airflow_batch_events.events.environment_turns import EnvTurns, Pause

INTERVAL = 30.0


@pytest.mark.parametrize(("left", "seconds"), [(None, INTERVAL), (100.0, INTERVAL), (7.0, 7.0)])
def test_no_pause_outlasts_the_deadline(left, seconds):
    pause = EnvTurns(NodeWait(ENV, 1), INTERVAL).after_turn(left)
    assert isinstance(pause, Pause)
    assert pause.seconds == seconds


@pytest.mark.parametrize("interval", [INTERVAL, 0.5])
def test_a_refusal_is_confirmed_soon(interval):
    wait = NodeWait(ENV, 1)
    wait.on_error(malformed(), 0.0)
    pause = EnvTurns(wait, interval).after_turn(None)
    assert isinstance(pause, Pause)
    assert pause.seconds == min(interval, CONFIRM_INTERVAL)


def test_progress_is_told_once():
    wait = NodeWait(ENV, 2)
    turns = EnvTurns(wait, INTERVAL)
    told = []
    for states in (["CREATING"], ["CREATING"], ["RUNNING"]):
        wait.on_poll(Env(2, nodes(*states)))
        told.append(turns.after_turn(None))
    assert told == [
        Pause(INTERVAL, "0 of 2 nodes run, 1 CREATING"),
        Pause(INTERVAL, ""),
        Pause(INTERVAL, "1 of 2 nodes run"),
    ]


@pytest.mark.parametrize("decision", [NodeWait(ENV, 1), Removal(ENV, drain=True)], ids=["wait", "removal"])
def test_the_deadline_ends_it(decision):
    outcome = EnvTurns(decision, INTERVAL).after_turn(0.0)
    assert isinstance(outcome, EnvOutcome)
    assert outcome.state == "TIMEOUT"


def test_a_second_before_the_deadline_the_wait_goes_on():
    assert EnvTurns(NodeWait(ENV, 1), INTERVAL).after_turn(1.0) == Pause(1.0, "it has not been seen yet")


def test_what_was_found_out_at_the_deadline_counts():
    removal = Removal(ENV, drain=True)
    removal.on_error(missing())
    assert EnvTurns(removal, INTERVAL).after_turn(0.0) == EnvOutcome(ENV, "GONE", True)
