# SPDX-License-Identifier: Apache-2.0
"""Where a task keeps what a later try of it must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.triggerer import ask_supervisor
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.submission.tagged_store import TaggedSubmissionStore

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.tagged_answers import Tagged


def submission_store(
    context: Mapping[str, Any],
    search: Callable[[Mapping[str, str]], list[Tagged]],
    *,
    durable: bool = True,
    ends_when_cleared: bool = False,
    deletes_when_ended: bool = False,
) -> SubmissionStore:
    """
    Keep a task's submission where a later try finds it: Airflow's task state store.

    In an Airflow that has none, the tags of what was submitted are searched; what they cannot know is said in
    ``submission/tagged_store.py``.

    Source: ``sdk/bases/resumablejobmixin.py``, line 140, which takes it from the context, too. Since: 3.3. It can go
    when 3.2 is not supported.

    :param context: The task's context.
    :param search: Returns what has certain tags; called only where there is no store.
    :param durable: False remembers nothing between tries.
    :param ends_when_cleared: Whether the job is ended when a user clears the task.
    :param deletes_when_ended: Whether the task deletes its job when that has ended.
    """
    state = context.get("task_state_store")
    if durable and state is None and not abilities.HAS_STATE_STORE:
        return TaggedSubmissionStore(
            context, search, ends_when_cleared=ends_when_cleared, deletes_when_ended=deletes_when_ended
        )
    return SubmissionStore({"ti": context["ti"], "task_state_store": state}, durable=durable)


async def hand_over(name: str, text: str) -> None:
    """
    Leave a text in the triggerer for the worker that ends a wait, and for a later try if that worker dies.

    A trigger cannot reach the task state store, and the XComs that it pushes are deleted when a later try begins. What
    is left of all that the supervisor takes from a trigger is a variable; the worker moves it to the state store and
    deletes it.

    Source: ``jobs/triggerer_job_runner.py``, ``ToTriggerSupervisor``; ``sdk/execution_time/task_runner.py``, line 1559,
    which deletes the XComs. Since: 3.3. It can go when a trigger can write to the state store.

    :param name: The variable.
    :param text: What is left.
    :raises RuntimeError: When the supervisor does not take it.
    """
    # The module brings what runs tasks.
    from airflow.sdk.execution_time.comms import PutVariable

    about = "Notes of a task that waits for many Batch jobs; deleted when the task goes on."
    await ask_supervisor(PutVariable(key=name, value=text, description=about))


def handed_over(name: str) -> str | None:
    """Return what :func:`hand_over` has left, on a worker; None where there is nothing."""
    from airflow.sdk import Variable

    found: str | None = Variable.get(name, default=None)
    return found


def drop_handed_over(name: str) -> None:
    """Delete what :func:`hand_over` has left, on a worker; it may not be there."""
    from airflow.sdk import Variable

    Variable.delete(name)
