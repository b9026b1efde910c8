# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextvars
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_events.airflow_compat.triggerer import (
    finish_although_cancelled,
    in_own_log,
    is_still_deferred,
    was_stored,
)

TASK = "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance"


def test_a_trigger_that_the_triggerer_has_made_has_a_number() -> None:
    stored: Any = SimpleNamespace(trigger_id=0)
    written: Any = SimpleNamespace(trigger_id=None)
    assert was_stored(stored)
    assert not was_stored(written)


def test_a_line_goes_to_the_log_of_whoever_made_the_function() -> None:
    owner = contextvars.ContextVar("owner", default="nobody")
    lines: list[str] = []

    def make() -> Any:
        owner.set("trigger")
        return in_own_log(lambda text: lines.append(f"{owner.get()}: {text}"))

    log = contextvars.copy_context().run(make)
    owner.set("reader")
    log("an event")
    assert lines == ["trigger: an event"]


async def test_work_ends_although_its_caller_is_cancelled_often() -> None:
    may_end = asyncio.Event()
    done: list[bool] = []

    async def work() -> None:
        await may_end.wait()
        done.append(True)

    caller = asyncio.ensure_future(finish_although_cancelled(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()
    await caller
    assert done == [True]


async def test_work_that_fails_tells_its_caller() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await finish_although_cancelled(work())


@pytest.mark.parametrize(
    ("states", "waits"),
    [
        ({"r": {"t": "deferred"}}, True),
        ({"r": {"t_3": "deferred"}}, True),
        ({"r": {"t": "failed"}}, False),
        ({"other": {"t": "deferred"}}, False),
        ({}, False),
    ],
)
async def test_a_task_still_waits_when_airflow_calls_it_deferred(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], waits: bool
) -> None:
    asked: list[dict[str, Any]] = []

    def answer(**question: Any) -> dict[str, Any]:
        asked.append(question)
        return states

    monkeypatch.setattr(f"{TASK}.get_task_states", answer)
    task = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=3)
    trigger: Any = SimpleNamespace(task_instance=task)
    assert await is_still_deferred(trigger) is waits
    assert asked == [{"dag_id": "d", "task_ids": ["t"], "run_ids": ["r"], "map_index": 3}]


async def test_without_a_task_to_ask_about_nobody_has_killed_it() -> None:
    trigger: Any = SimpleNamespace(task_instance=None)
    assert await is_still_deferred(trigger)
