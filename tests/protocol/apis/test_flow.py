# SPDX-License-Identifier: Apache-2.0
"""The steps of a procedure that makes no call itself."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from airflow_batch_events.protocol.apis.flow import sent, thrown


def asking(taken: list[object]) -> Generator[str, int, None]:
    for question in ("first", "second"):
        try:
            taken.append((yield question))
        except ValueError as error:
            taken.append(error)


def test_each_step_returns_the_next_question_and_none_at_the_end() -> None:
    taken: list[object] = []
    flow = asking(taken)
    error = ValueError("no")
    assert next(flow) == "first"
    assert thrown(flow, error) == "second"
    assert sent(flow, 7) is None
    assert taken == [error, 7]


def test_what_the_procedure_does_not_take_is_raised() -> None:
    flow = asking([])
    next(flow)
    with pytest.raises(KeyError):
        thrown(flow, KeyError("no"))
