# SPDX-License-Identifier: Apache-2.0
"""Single fields of the answers: what can be read is read, what cannot is empty."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.protocol.apis.fields import counts, decoded_log, entries, text, whole

anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text())


@given(
    st.binary(max_size=2048),
    st.sampled_from(["", "data:text/plain;charset=utf-8;base64,", "data:,"]),
    st.booleans(),
    st.booleans(),
)
def test_output_is_decoded_with_or_without_head_and_padding(
    output: bytes, head: str, is_padded: bool, is_broken_into_lines: bool
) -> None:
    encoded = base64.b64encode(output).decode()
    if not is_padded:
        encoded = encoded.rstrip("=")
    if is_broken_into_lines:
        encoded = "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    assert decoded_log(head + encoded) == output.decode(errors="replace")


@given(anything)
def test_output_that_is_no_base64_breaks_nothing(value: object) -> None:
    assert isinstance(decoded_log(value), str)


def test_a_character_that_the_limit_cut_in_two_is_replaced() -> None:
    assert decoded_log(base64.b64encode("ab漢".encode()[:-1]).decode()) == "ab\ufffd"


@pytest.mark.parametrize(
    ("answer", "number"),
    [({"N": 3}, 3), ({"N": "3"}, 3), ({"N": 0}, 0), ({"N": None}, None), ({}, None), ({"N": "x"}, None)],
)
def test_a_number_is_read_from_either_type(answer: dict[str, object], number: int | None) -> None:
    assert whole(answer, "N") == number


def test_null_and_missing_fields_are_empty() -> None:
    assert text({"S": None}, "S") == text({}, "S") == ""
    assert counts({"C": None}, "C") == counts({}, "C") == {}
    assert counts({"C": {"RunningCount": 2, "FailedCount": None}}, "C") == {"RunningCount": 2}
    assert entries("L", str)({"L": None}) == entries("L", str)({}) == []
