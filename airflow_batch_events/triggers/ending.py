# SPDX-License-Identifier: Apache-2.0
"""
End a task in the triggerer, without a worker.

The result is pushed through the Task SDK before the event is fired, because Airflow 3.3 stores the XComs of its
end-of-task events as texts of texts. A triggerer that is killed between the two waits again, finds the same outcome and
pushes it once more. What cannot be ended rightly here is left to a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow.sdk.configuration import conf
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from airflow_batch_events.events.outcome import NOT_STARTED, TIMEOUT, Outcome
from airflow_batch_events.exceptions import BatchEventsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.links.console import BatchJobLink
from airflow_batch_events.operators.verdict import end_lines, explain, find_failure, result_of
from airflow_batch_events.protocol.credentials import CloudAccess

EXPLAIN_BOUND = 60.0
"""Seconds that reading why a job failed may take."""

PUSH_BOUND = 120.0
"""Seconds that storing a result may take; the triggerer serves such requests one by one."""

RETURN_VALUE = "return_value"


@dataclass(frozen=True)
class TaskEnd:
    """
    How a task ends that ends in the triggerer.

    :param is_list: Whether the result is a list of outcomes, or the one outcome.
    :param raise_on_failure: Whether a job that failed fails the task.
    :param skip_on_failure: Whether the task is skipped where it would fail.
    :param push_result: Whether the result is pushed as XCom.
    """

    is_list: bool = False
    raise_on_failure: bool = True
    skip_on_failure: bool = False
    push_result: bool = True

    def to_dict(self) -> dict[str, bool]:
        """Return what a trigger's arguments can hold."""
        return asdict(self)


async def end_task(
    trigger: BaseTrigger, end: TaskEnd, payload: Mapping[str, Any], hook: BatchHook
) -> TriggerEvent | None:
    """
    Store the result of a wait and return the event that ends the task; None leaves the end to a worker.

    A wait that has timed out is for a worker: only there can a sensor say that a retry would be in vain, and an
    operator end its job.

    :param trigger: The trigger, with its task instance.
    :param end: How to end.
    :param payload: What the trigger would fire for a worker.
    :param hook: Reads why a job failed, in a thread.
    """
    if payload["status"] == "error":
        trigger.log.error("%s: %s", payload["error"], payload["message"])
        return TaskFailedEvent()
    outcomes = [Outcome.from_dict(item) for item in payload["outcomes"]]
    if any(outcome.state in (TIMEOUT, NOT_STARTED) for outcome in outcomes):
        return None
    for line in end_lines(outcomes):
        trigger.log.info("%s", line)
    failure = find_failure(outcomes, raise_on_failure=end.raise_on_failure)
    if failure is not None:
        await _log_reason(trigger, failure, hook)
        return TaskSkippedEvent() if end.skip_on_failure else TaskFailedEvent()
    if end.push_result:
        try:
            await asyncio.wait_for(push_result(trigger, result_of(outcomes, is_list=end.is_list)), PUSH_BOUND)
        except Exception:
            trigger.log.exception("Cannot store the result from here; a worker does")
            return None
    return TaskSuccessEvent()


async def push_result(trigger: BaseTrigger, value: Any) -> None:
    """Push a task's return value so that a task downstream can pull it and expand over it."""
    length = len(value)
    is_mappable = _map_index(trigger) < 0 and length <= conf.getint("core", "max_map_length")
    await push_xcom(trigger, RETURN_VALUE, value, mapped_length=length if is_mappable else None)


async def push_xcom(trigger: BaseTrigger, key: str, value: Any, *, mapped_length: int | None = None) -> None:
    """Push an XCom of a trigger's task."""
    task = trigger.task_instance
    if task is None:
        raise RuntimeError("only a trigger in a triggerer has a task to push for")
    await XCom.aset(
        key=key,
        value=value,
        dag_id=task.dag_id,
        task_id=task.task_id,
        run_id=task.run_id,
        map_index=_map_index(trigger),
        _mapped_length=mapped_length,
    )


async def write_link(trigger: BaseTrigger, access: CloudAccess, job_id: str) -> None:
    """Write the job's link for a task that no worker has begun; a task without its link goes on."""
    if trigger.task_instance is None:
        return
    try:
        await asyncio.wait_for(
            push_xcom(trigger, BatchJobLink().xcom_key, BatchJobLink.url(access, job_id)), PUSH_BOUND
        )
    except Exception:
        trigger.log.warning("Cannot write the link to job %s", job_id, exc_info=True)


def _map_index(trigger: BaseTrigger) -> int:
    index = getattr(trigger.task_instance, "map_index", None)
    return -1 if index is None else index


async def _log_reason(trigger: BaseTrigger, failure: Outcome, hook: BatchHook) -> None:
    try:
        error, lines = await asyncio.wait_for(asyncio.to_thread(explain, hook, failure), EXPLAIN_BOUND)
    except (BatchEventsError, asyncio.TimeoutError) as trouble:
        trigger.log.error(
            "Batch job %s ended %s: %s (no further reason: %s)",
            failure.job_id,
            failure.state,
            failure.reason,
            trouble or f"not read within {EXPLAIN_BOUND:g} s",
        )
        return
    for line in lines:
        trigger.log.error("%s", line)
    trigger.log.error("%s: %s", type(error).__name__, error)
