# SPDX-License-Identifier: Apache-2.0
"""
What a trigger fired, read back; and what an outcome means for a task: which one fails it, with which error, and why.

One place for the tasks that end on a worker and for those that end in the triggerer, so that both fail alike. The rule
that must not be relaxed: what was fired may come from another version, and a job without an outcome has not succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isfunction
from typing import Any

from airflow_batch_events import exceptions
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import NOT_FOUND, NOT_STARTED, REFUSED, TIMEOUT, Outcome, OutcomeDict
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import (
    BatchEventsError,
    BatchJobFailedError,
    BatchJobInterruptedError,
    BatchJobNotFoundError,
    BatchJobNotStartedError,
    BatchJobTimeoutError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.text import MAX_TEXT, printable

JOB_ID_XCOM = "job_id"
"""The XCom key under which a job's id is pushed as soon as it is known, before the wait."""

_RESULTS = (JobState.SUCCEED.value, JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)

# What the triggerer of an older version still calls them.
_OLD_NAMES = {"QueueMissingError": "WaitQueueNotFoundError", "QueueNotFoundError": "CmqQueueNotFoundError"}


def end_in(event: object, *, statuses: Sequence[str] = ("ended",)) -> Mapping[str, Any]:
    """
    Return the end of a wait that a trigger fired.

    :param event: The trigger's payload, whichever version has fired it.
    :param statuses: How this kind of wait can end without an error.
    :raises BatchEventsError: The error that ended the wait in the triggerer, as its own class.
    :raises ValueError: When the event is not one of ours.
    """
    if not isinstance(event, Mapping) or event.get("status") not in (*statuses, "error"):
        raise ValueError(f"the trigger fired something else than the end of a wait: {printable(repr(event), 500)}")
    if event["status"] == "error":
        raise error_of(event)
    return event


def error_of(event: Mapping[str, Any]) -> BatchEventsError:
    """Return the error that ended a wait in the triggerer, as its own class: that of a setting, or of the cloud."""
    name = str(event.get("error"))
    kind: Any = getattr(exceptions, _OLD_NAMES.get(name, name), None)
    if not isinstance(kind, type) or not issubclass(kind, exceptions.ConfigurationError | exceptions.CloudError):
        kind = BatchEventsError
    # Some take more than a message; then it is the class above them.
    while isfunction(kind.__init__):
        kind = kind.__base__
    error: BatchEventsError = kind(event.get("message") or "the triggerer has not said why it has ended the wait")
    return error


def outcomes_of(event: object, count: int = 1) -> list[Outcome]:
    """
    Return the outcomes of the jobs that a trigger has waited for.

    :param event: The trigger's payload, whichever version has fired it.
    :param count: How many jobs were waited for.
    :raises BatchEventsError: The error that ended the wait in the triggerer, as its own class.
    :raises ValueError: When the event is not one of ours, or has another number of outcomes.
    """
    end = end_in(event)
    outcomes = end.get("outcomes")
    if not is_list(outcomes):
        raise ValueError(f"the trigger fired an end without a list of outcomes: {sorted(map(str, end))}")
    if len(outcomes) != count:
        raise ValueError(f"the trigger fired the outcomes of {len(outcomes)} jobs, where {count} were waited for")
    return [Outcome.from_dict(item) for item in outcomes]


def end_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how the jobs ended, for the task's log."""
    lines = (f"Job {outcome.job_id} ended {outcome.state} (known from {outcome.source})" for outcome in outcomes)
    return [printable(line, MAX_TEXT) for line in lines]


def result_of(outcomes: Sequence[Outcome], *, is_list: bool) -> OutcomeDict | list[OutcomeDict]:
    """Return the value of a task: the list of the outcomes for a list of jobs, else the one outcome."""
    values = [outcome.to_dict() for outcome in outcomes]
    return values if is_list else values[0]


def find_failure(outcomes: Sequence[Outcome], *, raise_on_failure: bool = True) -> Outcome | None:
    """
    Return the first outcome that fails the task.

    :param outcomes: One for each job.
    :param raise_on_failure: Whether a job that failed does; one without a result (not found, timed out) always does.
    """
    for outcome in outcomes:
        if not outcome.succeeded and (raise_on_failure or outcome.state not in _RESULTS):
            return outcome
    return None


def explain(hook: BatchHook, outcome: Outcome) -> tuple[BatchEventsError, Sequence[str]]:
    """
    Return the error for an outcome that is not a success, and the lines for the task's log.

    :param hook: Reads what the cloud says about the job; what it cannot read is left out.
    :param outcome: The outcome.
    """
    if outcome.state == TIMEOUT:
        return BatchJobTimeoutError(f"Batch job {outcome.job_id}: {outcome.reason}"), ()
    if outcome.state in (NOT_FOUND, REFUSED):
        return (
            BatchJobNotFoundError(
                f"Batch job {outcome.job_id!r} was not found in {hook.access.region}: {outcome.reason}. Check the id "
                f"and the region; for a job that was deleted, run the task again that submits it"
            ),
            (),
        )
    diagnosis = hook.explain(outcome)
    if outcome.state == NOT_STARTED:
        return BatchJobNotStartedError(str(diagnosis)), diagnosis.detail
    interrupted = outcome.state == JobState.FAILED_INTERRUPTED.value
    return (BatchJobInterruptedError if interrupted else BatchJobFailedError)(str(diagnosis)), diagnosis.detail
