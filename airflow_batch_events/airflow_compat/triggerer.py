# SPDX-License-Identifier: Apache-2.0
"""
What the triggerer does to a trigger: how it makes, logs, cancels and kills it, and what its supervisor answers.

The rule that must not be relaxed: nobody who asks the supervisor is cancelled meanwhile, and no other loop asks. In
Airflow 3.1 all triggers read the answers from one stream in turn. An answer that nobody has waited for reaches the
trigger that asks next, and the triggerer ends with every wait in it ("Response read out of order").
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.per_loop import PerLoop

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger, TriggerEvent

CLOCK_MARGIN = timedelta(seconds=5)
"""How much earlier than on this machine a time-out may have passed on the scheduler's."""

P = ParamSpec("P")
R = TypeVar("R")

_unfinished: set[asyncio.Future[Any]] = set()


def was_stored(trigger: BaseTrigger) -> bool:
    """
    Whether the triggerer has made this trigger from its database, and no DAG file has.

    The triggerer numbers a trigger before it does anything else with it.

    Source: ``triggers/base.py``, ``trigger_id``. Since: before 3.1. It can go when a trigger of a DAG file is checked
    by something else than ``serialize``.
    """
    return trigger.trigger_id is not None


def task_of(trigger: BaseTrigger) -> Any:
    """
    Return the operator of a trigger's task, whose fields were rendered in the triggerer; None where a worker did that.

    Source: ``triggers/base.py``, ``task``. Since: 3.3, which renders in the triggerer. It can go when 3.2 is not
    supported.
    """
    return getattr(trigger, "task", None)


def in_own_log(function: Callable[P, None]) -> Callable[P, None]:
    """
    Return a function whose log lines go to the trigger that called this, whichever trigger calls the function.

    Whose log a line goes to is a matter of context variables, and a shared reader has those of the trigger that started
    it.

    Source: ``jobs/triggerer_job_runner.py``, line 1580. Since: before 3.1. It can go when a trigger's logger knows its
    trigger.

    :param function: What logs.
    """
    context = contextvars.copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        context.run(function, *args, **kwargs)

    return run


async def undisturbed(question: Awaitable[R]) -> R:
    """
    Await what asks the supervisor, so that it hears the answer although this is cancelled meanwhile.

    Source: ``jobs/triggerer_job_runner.py`` of 3.1, lines 773 to 801. Since: before 3.1; 3.2 tells the answers apart.
    It can go when 3.1 is not supported.

    :param question: What asks.
    """
    task = asyncio.ensure_future(question)
    _unfinished.add(task)
    task.add_done_callback(_let_go)
    return await asyncio.shield(task)


def _let_go(task: asyncio.Future[Any]) -> None:
    _unfinished.discard(task)
    if not task.cancelled():
        # Taken, so that asyncio does not complain where nobody waits any more.
        task.exception()


async def ask_supervisor(message: Any) -> Any:
    """
    Send a message of the SDK to the supervisor, from a trigger, and return its answer.

    Source: ``jobs/triggerer_job_runner.py``, ``ToTriggerSupervisor``, which lists what it knows. Since: before 3.1. It
    can go when what asks has an asynchronous function in every supported version.

    :param message: For example ``SetXCom``.
    :raises RuntimeError: When there is no supervisor, or it answers with an error.
    :raises AirflowRuntimeError: When it could not do what it was told.
    """
    # Only in a triggerer: the module brings what runs tasks.
    from airflow.sdk.execution_time.comms import ErrorResponse

    supervisor = _supervisor()
    if supervisor is None:
        raise RuntimeError("there is no supervisor to ask")
    answer = await undisturbed(supervisor.asend(message))
    if isinstance(answer, ErrorResponse):
        raise RuntimeError(f"the supervisor answers {answer.error.value}: {answer.detail}")
    return answer


def has_supervisor() -> bool:
    """Whether this process has one to ask, as a triggerer has."""
    return _supervisor() is not None


def stores_triggers() -> bool:
    """
    Whether the trigger that a task defers to is stored, and its task has XComs that the trigger can reach: on a worker,
    but not in a test of a task or a DAG, where the trigger runs in the same process and knows no task.

    Source: ``sdk/execution_time/supervisor.py``, line 2042. Since: before 3.1. It can go when a trigger has its task
    instance there, too.
    """
    supervisor = _supervisor()
    return supervisor is not None and type(supervisor).__name__ != "InProcessSupervisorComms"


def _supervisor() -> Any:
    from airflow.sdk.execution_time import task_runner

    # Only a process with a supervisor has the name.
    return getattr(task_runner, "SUPERVISOR_COMMS", None)


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """
    Call in a thread what may ask the supervisor, for example for a connection.

    ``asyncio.to_thread`` gives no way back to the loop of the triggers, in which 3.1 has to ask.

    Source: ``jobs/triggerer_job_runner.py`` of 3.1, line 769. Since: before 3.1; 3.2 finds the loop from any thread. It
    can go when 3.1 is not supported.

    :param function: What blocks.
    """
    from asgiref.sync import sync_to_async

    return await undisturbed(sync_to_async(function, thread_sensitive=False)(*args, **kwargs))


async def finish_although_cancelled(work: Awaitable[None]) -> None:
    """
    Await work to its end, although this is cancelled meanwhile.

    Airflow cancels a trigger anew at each of its rounds, a second apart, until it has ended; so it interrupts the very
    ``on_kill`` that the first of these calls has led to.

    Source: ``jobs/triggerer_job_runner.py``, lines 1397 and 1658. Since: 3.3, which has ``on_kill``. It can go when a
    trigger is cancelled once.

    :param work: What must have its own bound.
    """
    task = asyncio.ensure_future(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    # It may have failed in the moment of a cancellation.
    task.result()


async def prepare_supervisor(trigger: BaseTrigger) -> None:
    """
    Let the supervisor get ready to answer from the database, before anything depends on it.

    It starts a server within itself for that, at the first question, which takes seconds. In them it answers nobody and
    stores no event, so the first tasks that end in a triggerer would all wait for it, if nothing was asked before.

    Source: ``jobs/triggerer_job_runner.py``, lines 463 and 553 (``make_client``). Since: before 3.1. It can go when the
    supervisor starts that server by itself.

    :param trigger: Any trigger of a task; the question is about that.
    """
    # Only in a triggerer: the module brings what runs tasks.
    from airflow.sdk.execution_time.comms import GetTaskStates

    # A trigger that needs an answer gets the error itself.
    with suppress(Exception):
        await ask_supervisor(GetTaskStates(**_question_about(trigger.task_instance)))


class _Killable(Protocol):
    timeout_after: datetime | None
    """When Airflow itself ends the wait; None where it never does, or where that is not known."""

    @property
    def log(self) -> Any: ...

    async def on_kill(self) -> None: ...


T = TypeVar("T", bound=_Killable)
Run = Callable[[T], "AsyncIterator[TriggerEvent]"]


def calls_on_kill(run: Run[T]) -> Run[T]:
    """
    Let a trigger's ``run`` call its ``on_kill`` where Airflow does not; a decorator.

    Airflow only cancels ``run``: when a user has marked or cleared the task, and also after the trigger has fired, when
    the triggerer stops, when the trigger has moved to another triggerer, and when Airflow's own time-out of the
    deferral has passed. ``on_kill`` is called where it may be the first or the move, and asks
    :func:`is_still_deferred`. What it cannot find out is logged and left to the task's next try.

    Nothing is asked while the triggerer stops: it waits for its triggers until it is killed, and no longer reads the
    answers in 3.2.

    Source: ``jobs/triggerer_job_runner.py`` of 3.2, lines 1297 to 1330. Since: before 3.1; 3.3 calls ``on_kill``, and
    ``run`` is left as it is. It can go when 3.2 is not supported.

    :param run: What fires once, for a trigger whose ``on_kill`` has its own bound and goes on although it is cancelled.
    """
    if abilities.HAS_TRIGGER_ON_KILL:
        return run

    @wraps(run)
    async def run_until_killed(trigger: T) -> AsyncIterator[TriggerEvent]:
        loop_end = _loop_ends.get(None, lambda: _LoopEnd(trigger), lambda end: True)
        has_fired = False
        try:
            async for event in run(trigger):
                has_fired = True
                yield event
        except asyncio.CancelledError:
            if not (has_fired or loop_end.has_come or _has_timed_out(trigger)):
                await _kill(trigger)
            raise

    return run_until_killed


class _LoopEnd:
    """
    Tells that all tasks of the event loop are cancelled, from what nothing else cancels.

    :param trigger: The first one of the loop. It asks once, because the supervisor's first answer takes seconds, within
        which a task that was cleared waits again.
    """

    def __init__(self, trigger: _Killable) -> None:
        self._waited_for = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(self._wait())
        self._first_question = asyncio.ensure_future(self._ask(trigger))

    async def _wait(self) -> None:
        await self._waited_for

    async def _ask(self, trigger: Any) -> None:
        with suppress(Exception):
            await is_still_deferred(trigger)

    @property
    def has_come(self) -> bool:
        # All tasks are cancelled before any of them runs on, and what they wait for is cancelled with them.
        return self._waited_for.cancelled() or self._task.done()


_loop_ends: PerLoop[None, _LoopEnd] = PerLoop()


def _has_timed_out(trigger: _Killable) -> bool:
    moment = trigger.timeout_after
    if moment is None:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return datetime.now(timezone.utc) + CLOCK_MARGIN >= moment


async def _kill(trigger: _Killable) -> None:
    try:
        await trigger.on_kill()
    except Exception as error:  # noqa: BLE001 - the trigger ends as it was told to
        trigger.log.warning("The task may have been ended, and on_kill failed: %s: %s", type(error).__name__, error)


async def is_still_deferred(trigger: BaseTrigger) -> bool:
    """
    Whether the trigger's task still waits, so that nobody has killed it; True where there is no task to ask about.

    Airflow also calls ``on_kill`` on a triggerer that was silent for too long and has lost the trigger to another one.
    The only way to ask from a trigger is a method of the SDK's task runner, or the question that it asks.

    A task that was cleared is scheduled, queued or running by then. It may wait again already, which is not told from a
    trigger that has moved: its number in the database is another one, but no question names it.

    Source: ``jobs/triggerer_job_runner.py``, line 1397; ``sdk/execution_time/task_runner.py``, line 787. Since: before
    3.1. It can go when ``on_kill`` is called for killed tasks only.

    :raises RuntimeError: When the supervisor cannot tell.
    """
    # Only for a killed task: the modules bring what runs tasks.
    from airflow.sdk.execution_time.comms import GetTaskStates
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    task = trigger.task_instance
    if task is None:
        return True
    question = _question_about(task)
    if abilities.HAS_TRIGGER_ON_KILL:
        states = await asyncio.to_thread(RuntimeTaskInstance.get_task_states, **question)
    else:
        states = (await ask_supervisor(GetTaskStates(**question))).task_states
    return "deferred" in states.get(task.run_id, {}).values()


def _question_about(task: Any) -> dict[str, Any]:
    return {
        "dag_id": task.dag_id,
        "task_ids": [task.task_id],
        "run_ids": [task.run_id],
        "map_index": task.map_index,
    }
