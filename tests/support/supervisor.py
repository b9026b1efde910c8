# SPDX-License-Identifier: Apache-2.0
"""What a trigger asks its triggerer's supervisor, and what it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner


class Supervisor:
    """
    Answers each message in the next round of the loop.

    :param answers: By the name of the message's class; an exception is raised, what is missing is answered with None.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.answered: list[str] = []

    async def asend(self, message: Any) -> Any:
        name = type(message).__name__
        self.asked.append(message.model_dump(exclude_none=True))
        await asyncio.sleep(0.01)
        self.answered.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, message: Any) -> Any:
        raise AssertionError("a trigger must not block")


def supervised(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> Supervisor:
    """Give this process a supervisor."""
    supervisor = Supervisor(answers)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor
