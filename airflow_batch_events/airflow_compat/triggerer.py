# SPDX-License-Identifier: Apache-2.0
"""What the triggerer does to a trigger: how it makes, logs, cancels and kills it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

P = ParamSpec("P")

_unfinished: set[asyncio.Future[None]] = set()


def was_stored(trigger: BaseTrigger) -> bool:
    """
    Whether the triggerer has made this trigger from its database, and no DAG file has.

    The triggerer numbers a trigger before it does anything else with it.

    Source: ``triggers/base.py``, ``trigger_id``. Since: before 3.1. It can go when a trigger of a DAG file is checked
    by something else than ``serialize``.
    """
    return trigger.trigger_id is not None


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


async def is_still_deferred(trigger: BaseTrigger) -> bool:
    """
    Whether the trigger's task still waits, so that nobody has killed it; True where there is no task to ask about.

    Airflow also calls ``on_kill`` on a triggerer that was silent for too long and has lost the trigger to another one.
    The only way to ask from a trigger is a method of the SDK's task runner.

    Source: ``jobs/triggerer_job_runner.py``, line 1397; ``sdk/execution_time/task_runner.py``, line 787. Since: 3.3. It
    can go when ``on_kill`` is called for killed tasks only.
    """
    # Only for a killed task: the module brings what runs tasks.
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    task = trigger.task_instance
    if task is None:
        return True
    states = await asyncio.to_thread(
        RuntimeTaskInstance.get_task_states,
        dag_id=task.dag_id,
        task_ids=[task.task_id],
        run_ids=[task.run_id],
        map_index=task.map_index,
    )
    return "deferred" in states.get(task.run_id, {}).values()
