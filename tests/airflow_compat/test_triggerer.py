# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection, TaskStatesResult
from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms
from support.supervisor import supervised

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.triggerer import (
    ask_supervisor,
    calls_on_kill,
    finish_although_cancelled,
    in_own_log,
    in_thread,
    is_still_deferred,
    prepare_supervisor,
    stores_triggers,
    undisturbed,
    was_stored,
)

TASK = "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance"


def test_a_trigger_that_the_triggerer_has_made_has_a_number() -> None:
    stored: Any = SimpleNamespace(trigger_id=0)
    written: Any = SimpleNamespace(trigger_id=None)
    assert was_stored(stored)
    assert not was_stored(written)


def test_a_trigger_is_stored_on_a_worker_and_in_no_test_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    assert not stores_triggers()
    supervised(monkeypatch)
    assert stores_triggers()
    in_process = InProcessSupervisorComms.__new__(InProcessSupervisorComms)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", in_process)
    assert not stores_triggers()


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


STATES = [
    ({"r": {"t": "deferred"}}, True),
    ({"r": {"t_3": "deferred"}}, True),
    ({"r": {"t": "failed"}}, False),
    ({"r": {"t": "scheduled"}}, False),
    ({"r": {"t": None}}, False),
    ({"other": {"t": "deferred"}}, False),
    ({}, False),
]


@pytest.mark.parametrize(("states", "waits"), STATES)
async def test_a_task_still_waits_when_airflow_calls_it_deferred(
    monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], waits: bool
) -> None:
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", True)
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


@pytest.mark.parametrize(("states", "waits"), STATES)
async def test_the_supervisor_is_asked_where_triggers_have_no_on_kill(
    without_on_kill: None, monkeypatch: pytest.MonkeyPatch, states: dict[str, Any], waits: bool
) -> None:
    supervisor = supervised(monkeypatch, GetTaskStates=TaskStatesResult(task_states=states))
    task = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=3)
    trigger: Any = SimpleNamespace(task_instance=task)
    assert await is_still_deferred(trigger) is waits
    question = {"dag_id": "d", "task_ids": ["t"], "run_ids": ["r"], "map_index": 3}
    assert supervisor.asked == [{**question, "type": "GetTaskStates"}]


@pytest.fixture
def without_on_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", False)


class Trigger:
    """Waits, fires once, and notes how often it was killed."""

    def __init__(self, **settings: Any) -> None:
        self.timeout_after: datetime | None = None
        self.may_fire = asyncio.Event()
        self.kills = 0
        self.trouble: Exception | None = None
        self.seconds_to_kill = 0.05
        self.task_instance: Any = None
        self.log: Any = None
        vars(self).update(settings)

    async def wait(self) -> AsyncIterator[Any]:
        await self.may_fire.wait()
        yield "fired"

    async def on_kill(self) -> None:
        async def kill() -> None:
            await asyncio.sleep(self.seconds_to_kill)
            if self.trouble is not None:
                raise self.trouble
            self.kills += 1

        await finish_although_cancelled(kill())


async def run(trigger: Trigger) -> list[Any]:
    # As a class of another Airflow would be made, whichever this one is.
    return [event async for event in calls_on_kill(Trigger.wait)(trigger)]


async def begin(trigger: Trigger) -> asyncio.Task[list[Any]]:
    task = asyncio.ensure_future(run(trigger))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def cancel_again_and_again(task: asyncio.Task[Any]) -> None:
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
    assert task.cancelled()


async def test_a_cancelled_trigger_is_told_that_it_is_killed(without_on_kill: None) -> None:
    trigger = Trigger(timeout_after=datetime.now(timezone.utc) + timedelta(minutes=1))
    await cancel_again_and_again(await begin(trigger))
    assert trigger.kills == 1


async def test_a_trigger_whose_time_is_over_is_not_killed(without_on_kill: None) -> None:
    for moment in (datetime.now(timezone.utc), datetime.now(timezone.utc).replace(tzinfo=None)):
        trigger = Trigger(timeout_after=moment)
        await cancel_again_and_again(await begin(trigger))
        assert trigger.kills == 0


async def test_a_trigger_that_has_fired_is_not_killed(without_on_kill: None) -> None:
    trigger = Trigger()
    events = calls_on_kill(Trigger.wait)(trigger)
    trigger.may_fire.set()
    assert await anext(events) == "fired"
    with pytest.raises(asyncio.CancelledError):
        await events.athrow(asyncio.CancelledError())  # type: ignore[attr-defined]
    assert trigger.kills == 0


def test_a_triggerer_that_stops_kills_nothing(without_on_kill: None) -> None:
    waiting, killed = Trigger(), Trigger(seconds_to_kill=600.0)

    async def triggerer() -> None:
        await begin(waiting)
        (await begin(killed)).cancel()
        await asyncio.sleep(0.01)

    asyncio.run(triggerer())
    assert (waiting.kills, killed.kills) == (0, 0)


async def test_a_kill_that_fails_is_logged(without_on_kill: None) -> None:
    lines: list[str] = []
    log = SimpleNamespace(warning=lambda text, *values: lines.append(text % values))
    await cancel_again_and_again(await begin(Trigger(trouble=RuntimeError("no answer"), log=log)))
    (line,) = lines
    assert line.endswith("on_kill failed: RuntimeError: no answer")


def test_run_is_left_alone_where_airflow_calls_on_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", True)
    assert calls_on_kill(Trigger.wait) is Trigger.wait


QUESTION = GetConnection(conn_id="mine")


async def test_an_answer_is_heard_though_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervised(monkeypatch)
    asker = asyncio.ensure_future(ask_supervisor(QUESTION))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    assert not supervisor.answered
    await asyncio.sleep(0.05)
    assert supervisor.answered == ["GetConnection"]


async def test_an_error_for_an_answer_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    supervised(monkeypatch, GetConnection=ErrorResponse(error=ErrorType.GENERIC_ERROR, detail={"status_code": 503}))
    with pytest.raises(RuntimeError, match=r"GENERIC_ERROR.*503"):
        await ask_supervisor(QUESTION)


async def test_without_a_supervisor_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", None, raising=False)
    with pytest.raises(RuntimeError, match="no supervisor"):
        await ask_supervisor(QUESTION)


async def test_a_supervisor_that_cannot_get_ready_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervised(monkeypatch, GetTaskStates=RuntimeError("no database"))
    trigger: Any = SimpleNamespace(task_instance=SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1))
    await prepare_supervisor(trigger)
    assert supervisor.answered == ["GetTaskStates"]


async def test_what_is_undisturbed_tells_its_error() -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await undisturbed(fail())


async def test_a_thread_reaches_the_loop_of_the_triggers() -> None:
    from asgiref.sync import async_to_sync

    here = asyncio.get_running_loop()

    async def ask() -> bool:
        return asyncio.get_running_loop() is here

    assert await in_thread(async_to_sync(ask))
