# SPDX-License-Identifier: Apache-2.0
"""What Airflow's streams do is tested with the triggers, in ``tests/triggers``."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.triggers.base import BaseEventTrigger

from airflow_batch_events.airflow_compat import abilities, shared_stream
from airflow_batch_events.airflow_compat.abilities import HAS_SHARED_STREAMS
from airflow_batch_events.airflow_compat.triggerer import is_still_deferred


def test_a_trigger_of_airflow_can_share_a_stream() -> None:
    assert hasattr(BaseEventTrigger, "shared_stream_key") is HAS_SHARED_STREAMS
    assert hasattr(shared_stream.SharedStreamProducer, "advance") is HAS_SHARED_STREAMS


async def test_a_fired_trigger_stays_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = asyncio.ensure_future(shared_stream.until_stored())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.setattr(shared_stream, "STORED_BOUND", 0.0)
    await shared_stream.until_stored()


class Supervisor:
    """Answers when it is told to."""

    def __init__(self, answer: Any = None) -> None:
        self.questions: list[Any] = []
        self.answered = 0
        self.may_answer = asyncio.Event()
        self._answer = answer

    async def asend(self, question: Any) -> Any:
        self.questions.append(question)
        await self.may_answer.wait()
        self.answered += 1
        return self._answer


def supervised(monkeypatch: pytest.MonkeyPatch, answer: Any = None) -> Supervisor:
    supervisor = Supervisor(answer)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    monkeypatch.setattr(shared_stream, "BETWEEN_ANSWERS", 0.01)
    return supervisor


async def test_two_answers_say_that_events_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervised(monkeypatch)
    waiting = asyncio.ensure_future(shared_stream.until_supervisor_has_stored())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    supervisor.may_answer.set()
    await asyncio.wait_for(waiting, 60)
    assert [question.value for question in supervisor.questions] == ["", ""]


async def test_a_question_is_never_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In 3.1 the answer would be read as that of the next question, which ends the triggerer."""
    supervisor = supervised(monkeypatch)
    waiting = asyncio.ensure_future(shared_stream.until_supervisor_has_stored())
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    supervisor.may_answer.set()
    await asyncio.sleep(0.05)
    assert supervisor.answered == 1


async def test_without_a_supervisor_time_has_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    monkeypatch.setattr(shared_stream, "UNKNOWN_SUPERVISOR", 0.0)
    await shared_stream.until_supervisor_has_stored()


@pytest.mark.parametrize(
    ("states", "has_gone_on"),
    [
        ({"r": {"t": "deferred"}}, False),
        ({"r": {"t_3": "deferred"}}, False),
        ({"r": {"t": "scheduled"}}, True),
        ({"r": {"t": "success"}}, True),
        ({}, True),
    ],
)
async def test_a_task_that_is_not_deferred_has_gone_on(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], has_gone_on: bool
) -> None:
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", False)
    supervisor = supervised(monkeypatch, SimpleNamespace(task_states=states))
    supervisor.may_answer.set()
    task = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=3)
    trigger: Any = SimpleNamespace(task_instance=task)
    assert await is_still_deferred(trigger) is not has_gone_on
    (question,) = supervisor.questions
    assert (question.dag_id, question.task_ids, question.run_ids, question.map_index) == ("d", ["t"], ["r"], 3)


@pytest.mark.parametrize(("trigger_id", "is_in_triggerer"), [(None, False), (0, True), (7, True)])
def test_a_trigger_with_a_number_fires_in_a_triggerer(trigger_id: int | None, is_in_triggerer: bool) -> None:
    trigger: Any = SimpleNamespace(trigger_id=trigger_id)
    assert shared_stream.fires_in_triggerer(trigger) is is_in_triggerer
