# SPDX-License-Identifier: Apache-2.0
"""Exit codes that mean something: what is taken, and that none hides a failure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes, exit_codes_of, read_exit_codes
from airflow_batch_events.exceptions import ParameterError

CODES = ExitCodes(skip=frozenset({99, 100}), fail=frozenset({2}))


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (None, []),
        (99, [99]),
        ([99, 3, 99], [3, 99]),
        ((1, 255), [1, 255]),
        ({7, 8}, [7, 8]),
        (range(3, 6), [3, 4, 5]),
    ],
)
def test_one_code_or_several_are_taken(given, codes):
    assert exit_codes_of("skip_on_exit_code", given) == codes


@pytest.mark.parametrize(
    "given", [0, -9, 256, True, "99", "", 1.0, [], range(0), range(3), [[1]], [1, None], {1: 2}, b"a", object()]
)
def test_what_no_failed_command_ends_with_is_refused(given):
    with pytest.raises(ParameterError, match="skip_on_exit_code"):
        exit_codes_of("skip_on_exit_code", given)


def test_a_wrong_code_is_named_with_its_parameter():
    with pytest.raises(ParameterError, match=r"^skip_on_exit_code has 256, must be an exit code of a failed command"):
        read_exit_codes(256, None)
    with pytest.raises(ParameterError, match=r"^fail_on_exit_code has a text, must be"):
        read_exit_codes(None, ["99"])


def test_a_code_cannot_mean_both():
    with pytest.raises(ParameterError, match="exit code 3 is in skip_on_exit_code and in fail_on_exit_code"):
        read_exit_codes(range(1, 4), [3, 9])


@pytest.mark.parametrize(
    ("exit_codes", "end_as"),
    [
        ({99}, EndAs.SKIPPED),
        ({99, 100}, EndAs.SKIPPED),
        ({99, 1}, EndAs.ERROR),
        ({99, None}, EndAs.ERROR),
        ({None}, EndAs.ERROR),
        ({99, 2}, EndAs.FAILED),
        ({None, 2}, EndAs.FAILED),
        ({1}, EndAs.ERROR),
        (set(), EndAs.ERROR),
    ],
)
def test_how_a_task_ends_by_the_exit_codes_of_its_instances(exit_codes, end_as):
    assert CODES.end_of(exit_codes) is end_as


@given(st.frozensets(st.none() | st.integers(-1, 300)))
def test_nothing_is_skipped_by_an_exit_code_that_is_not_named(exit_codes):
    if CODES.end_of(exit_codes) is EndAs.SKIPPED:
        assert exit_codes <= CODES.skip
    assert ExitCodes().end_of(exit_codes) is EndAs.ERROR
