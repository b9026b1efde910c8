# SPDX-License-Identifier: Apache-2.0
"""
End a task in the triggerer, without a worker.

The result is pushed before the event is fired; ``airflow_compat/xcom.py`` says why not with it. A triggerer that is
killed between the two waits again, finds the same outcome and pushes it once more. What cannot be ended rightly here is
left to a worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from airflow_batch_events.airflow_compat.triggerer import in_thread, task_of
from airflow_batch_events.airflow_compat.xcom import PUSH_BOUND, is_too_long_to_expand, map_index_of, push_from_trigger
from airflow_batch_events.events.outcome import NOT_STARTED, TIMEOUT, Outcome
from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes, read_exit_codes
from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.time_limit import within
from airflow_batch_events.text import printable
from airflow_batch_events.waiting.airflow_metrics import count_ends
from airflow_batch_events.waiting.storable import storable
from airflow_batch_events.waiting.task_result import (
    BATCH_OUTCOME_XCOM,
    NO_CODES,
    Explained,
    end_lines,
    explain_all,
    failures_in,
    outcome_xcom,
    result_of,
    with_facts,
)
from airflow_batch_events.waiting.trigger_start import needs_worker

EXPLAIN_BOUND = 60.0
"""Seconds that reading why a job failed may take."""

RETURN_VALUE = "return_value"


@dataclass(frozen=True)
class TaskEnd:
    """
    How a task ends that ends in the triggerer.

    :param is_list: Whether the result is a list of outcomes, or the one outcome; None goes by the rendered job ids of a
        task that begins here.
    :param raise_on_failure: Whether a job that failed fails the task.
    :param skip_on_failure: Whether the task is skipped where it would fail.
    :param push_result: Whether the result is pushed as XCom.
    :param multiple_outputs: Whether each of its keys is pushed as an XCom, too.
    :param success_only: Whether a worker ends the task unless it ends well.
    :param skip_on_exit_code: The exit codes that skip the task.
    :param fail_on_exit_code: Those that fail it without another try, which only a worker can say.
    :param team_name: The task's team, for metrics; the worker that has begun the task knows it.
    """

    is_list: bool | None = False
    raise_on_failure: bool = True
    skip_on_failure: bool = False
    push_result: bool = True
    multiple_outputs: bool = False
    success_only: bool = False
    skip_on_exit_code: tuple[int, ...] = ()
    fail_on_exit_code: tuple[int, ...] = ()
    team_name: str | None = None

    @property
    def exit_codes(self) -> ExitCodes:
        """The exit codes that mean something."""
        return ExitCodes(frozenset(self.skip_on_exit_code), frozenset(self.fail_on_exit_code))

    def to_dict(self) -> dict[str, Any]:
        """Return what a trigger's arguments can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: object) -> TaskEnd:
        """
        Read what a trigger was stored with, also by another version: what is not known is ignored.

        :raises ConfigurationError: When it says nothing about an end, or says it otherwise than with True or False, or
            has something else than exit codes.
        """
        if not isinstance(data, Mapping):
            raise ConfigurationError(f"end is a {type(data).__name__}, must be a mapping")
        known = {field.name: data[field.name] for field in fields(cls) if data.get(field.name) is not None}
        given = [known.pop(name, None) for name in ("skip_on_exit_code", "fail_on_exit_code")]
        codes = read_exit_codes(*(value or None for value in given))
        team = known.pop("team_name", None)
        for name, value in known.items():
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name} of end is a {type(value).__name__}, must be True or False")
        if "is_list" in data:
            known["is_list"] = data["is_list"]
        if isinstance(team, str):
            known["team_name"] = team
        return cls(**known, skip_on_exit_code=tuple(sorted(codes.skip)), fail_on_exit_code=tuple(sorted(codes.fail)))


async def end_task(
    trigger: BaseTrigger, end: object, payload: Mapping[str, Any], hook: BatchHook, *, job_id: str | Sequence[str]
) -> TriggerEvent | None:
    """
    Store the result of a wait and return the event that ends the task; None leaves the end to a worker.

    A wait that has timed out, or that could not wait at all, is for a worker: only there can a sensor say that a retry
    would be pointless, an operator end its job, and the error be raised as what it is.

    :param trigger: The trigger, with its task instance.
    :param end: How the task ends, as the trigger was stored with it; see :meth:`TaskEnd.from_dict`.
    :param payload: What the trigger would fire for a worker.
    :param hook: Reads why a job failed, in a thread.
    :param job_id: What the task waits for: one job, or a list.
    """
    try:
        end = TaskEnd.from_dict(end)
    except ConfigurationError as error:
        trigger.log.warning("Cannot end the task from here; a worker does: %s", error)
        return None
    if payload["status"] == "error":
        return None
    outcomes = [Outcome.from_dict(item) for item in payload["outcomes"]]
    if any(outcome.state in (TIMEOUT, NOT_STARTED) for outcome in outcomes):
        return None
    failures = failures_in(outcomes, raise_on_failure=end.raise_on_failure)
    if end.success_only and (failures or await _needs_worker(trigger)):
        return None
    for line in end_lines(outcomes):
        trigger.log.info("%s", line)
    is_list = not isinstance(job_id, str) if end.is_list is None else end.is_list
    if failures:
        explained = await _log_reason(trigger, failures, end.exit_codes, hook)
        end_as = EndAs.ERROR if explained is None else explained.end_as
        is_unread = explained is None and end.exit_codes != NO_CODES
        if not end.skip_on_failure and (is_unread or end_as is EndAs.FAILED):
            trigger.log.info("A worker ends the task, because of its exit codes: only there can it end without a retry")
            return None
        told = explained.outcomes if explained else failures[:1]
        await _push_failed(trigger, outcomes, told, is_list=is_list)
        count_ends(with_facts(outcomes, told), trigger.task_instance, end.team_name)
        return TaskSkippedEvent() if end.skip_on_failure or end_as is EndAs.SKIPPED else TaskFailedEvent()
    if end.push_result:
        result = result_of(outcomes, is_list=is_list)
        is_refused = end.multiple_outputs and not isinstance(result, Mapping)
        if is_refused or is_too_long_to_expand(result):
            # Airflow refuses it with an error of its own, on a worker; what is too long, where a task expands over it.
            return None
        try:
            push = push_result(trigger, result, multiple_outputs=end.multiple_outputs)
            await within(PUSH_BOUND, push)
        except Exception:
            trigger.log.exception("Cannot store the result from here; a worker does")
            return None
    count_ends(outcomes, trigger.task_instance, end.team_name)
    return TaskSuccessEvent()


async def push_result(trigger: BaseTrigger, value: Any, *, multiple_outputs: bool = False) -> None:
    """Push a task's return value so that a task downstream can pull it and expand over it, as a worker does."""
    if multiple_outputs:
        for key, item in value.items():
            await _push(trigger, key, item)
    await _push(trigger, RETURN_VALUE, value, mapped_length=len(value) if map_index_of(trigger) < 0 else None)


async def _push(trigger: BaseTrigger, key: str, value: Any, *, mapped_length: int | None = None) -> None:
    await push_from_trigger(trigger, key, storable(value), mapped_length=mapped_length)


async def _needs_worker(trigger: BaseTrigger) -> bool:
    task = task_of(trigger)
    if task is None:
        # The worker that began the task has asked.
        return False
    # In a thread, because it may load Airflow's plugins.
    needs = await in_thread(needs_worker, task, begins_here=True)
    if needs:
        trigger.log.info("A worker ends the task, because of %s", ", ".join(needs))
    return bool(needs)


async def _push_failed(
    trigger: BaseTrigger, outcomes: Sequence[Outcome], explained: Sequence[Outcome], *, is_list: bool
) -> None:
    """Push the outcome of a task that does not succeed; how it ends is known without it."""
    try:
        push = _push(trigger, BATCH_OUTCOME_XCOM, outcome_xcom(outcomes, explained, is_list=is_list))
        await within(PUSH_BOUND, push)
    except Exception:
        trigger.log.warning("Cannot push the outcome as XCom %s", BATCH_OUTCOME_XCOM, exc_info=True)


async def _log_reason(
    trigger: BaseTrigger, failures: Sequence[Outcome], codes: ExitCodes, hook: BatchHook
) -> Explained | None:
    """Say in the log why a job failed; None when that cannot be read in time."""
    failure = failures[0]
    try:
        explained = await within(EXPLAIN_BOUND, in_thread(explain_all, hook, failures, codes))
    except Exception as trouble:  # noqa: BLE001 - how the task ends is known, whatever cannot be read
        trigger.log.error(
            "Batch job %s ended %s: %s (no further reason: %s)",
            failure.job_id,
            printable(failure.state),
            printable(failure.reason, 1000),
            printable(trouble, 1000) or f"not read within {EXPLAIN_BOUND:g} s",
        )
        return None
    for line in explained.lines:
        trigger.log.error("%s", line)
    trigger.log.error("%s: %s", type(explained.error).__name__, explained.error)
    return explained
