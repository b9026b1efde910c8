# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from msgspec import to_builtins

from airflow_batch_events.events.many.rules import (
    RunRules,
    failures_allowed,
    max_active_of,
    max_failures_of,
)
from airflow_batch_events.exceptions import ConfigurationError, ParameterError


def test_rules_come_back_as_they_were_stored():
    rules = RunRules(max_active=7, max_failures=2, on_failure="cancel_rest", on_finish_action="delete")
    assert RunRules.read({**to_builtins(rules), "of_tomorrow": 1}) == rules
    assert rules.deleted_states == {"SUCCEED", "FAILED"}


@pytest.mark.parametrize("data", [None, [], {"max_active": "x"}, {"on_failure": "burn"}])
def test_rules_that_make_no_sense_are_an_error(data):
    with pytest.raises(ConfigurationError, match="rules cannot be read"):
        RunRules.read(data)


@pytest.mark.parametrize(
    ("given", "of_a_hundred"),
    [(0, 0), (1, 1), (1.0, 1), (3, 3), ("3", 3), (2.0, 2), (0.05, 5), ("0.29", 29), (0.001, 0)],
)
def test_failures_are_a_number_or_a_share(given, of_a_hundred):
    assert failures_allowed(max_failures_of("max_failures", given), 100) == of_a_hundred


def test_no_failure_is_a_number_and_no_share():
    assert isinstance(max_failures_of("max_failures", 0.0), int)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (-1, "-1"),
        (1.5, "1.5"),
        (1e9, "1000000000.0"),
        (True, "True"),
        (None, "None"),
        ("many", "a text"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ([1], "a list"),
    ],
)
def test_other_failures_are_refused(given, shown):
    with pytest.raises(ParameterError, match=f"^max_failures is {shown}, must be a whole number of jobs"):
        max_failures_of("max_failures", given)


@pytest.mark.parametrize("given", [0, 1_001, 1.5, True, None, "x"])
def test_only_as_many_as_an_account_may_have_can_be_active(given):
    assert max_active_of("max_active", "1000") == 1_000
    assert max_active_of("max_active", 1) == 1
    with pytest.raises(ParameterError, match="max_active is"):
        max_active_of("max_active", given)
