# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.events.confirmation import Confirmation


def test_three_answers_over_three_seconds_confirm_one_another():
    answers = Confirmation()
    assert [answers.add(at) for at in (10.0, 12.0, 12.9, 13.0)] == [False, False, False, True]


def test_a_caller_may_space_its_tries_itself():
    answers = Confirmation(spread=0.0)
    assert [answers.add() for _ in range(3)] == [False, False, True]


def test_any_other_answer_begins_anew():
    answers = Confirmation(spread=0.0)
    answers.add()
    assert answers.is_open
    answers.reset()
    assert not answers.is_open
    assert [answers.add() for _ in range(3)] == [False, False, True]
