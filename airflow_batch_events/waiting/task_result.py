# SPDX-License-Identifier: Apache-2.0
"""
What a trigger fired, read back; and what an outcome means for a task: which one fails it, with which error, and why.

One place for the tasks that end on a worker and for those that end in the triggerer, so that both fail alike. The rule
that must not be relaxed: what was fired may come from another version, and a job without an outcome has not succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isfunction
from typing import Any, NamedTuple

from msgspec import structs

from airflow_batch_events import exceptions
from airflow_batch_events.airflow_compat.exceptions import AirflowFailException
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import NOT_FOUND, NOT_STARTED, REFUSED, TIMEOUT, Outcome, OutcomeDict
from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes
from airflow_batch_events.events.outcomes.failure import Cause, Failure
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import (
    BatchEventsError,
    BatchJobFailedError,
    BatchJobInterruptedError,
    BatchJobNoCapacityError,
    BatchJobNotFoundError,
    BatchJobNotStartedError,
    BatchJobOutOfMemoryError,
    BatchJobRunTimeoutError,
    BatchJobTimeoutError,
    JobError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.text import MAX_TEXT, printable
from airflow_batch_events.waiting.storable import storable

JOB_ID_XCOM = "job_id"
"""The XCom key under which a job's id is pushed as soon as it is known, before the wait."""

BATCH_OUTCOME_XCOM = "batch_outcome"
"""The XCom key under which a task that does not succeed pushes what it would have returned, with the facts."""

MAX_SKIPPED_JOBS = 20
"""Failed jobs of a task that are read to skip it; where more have failed, it fails. Each takes three calls or more."""

NO_CODES = ExitCodes()

_RESULTS = (JobState.SUCCEED.value, JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)

_BY_CAUSE: Mapping[str, type[JobError]] = {
    Cause.OUT_OF_MEMORY.value: BatchJobOutOfMemoryError,
    Cause.NO_CAPACITY.value: BatchJobNoCapacityError,
    Cause.TIMEOUT.value: BatchJobRunTimeoutError,
}
"""The errors of FAILED jobs whose retry needs something else than that of any other."""

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


def outcome_xcom(outcomes: Sequence[Outcome], explained: Sequence[Outcome], *, is_list: bool) -> Any:
    """
    Return what a task that does not succeed pushes: its result, with what was read about failed jobs.

    :param outcomes: All that the task has waited for.
    :param explained: Those about which something was read, with the facts.
    :param is_list: Whether the task would return a list of outcomes.
    """
    told = [
        structs.replace(outcome, failure=outcome.failure or Failure(outcome.job_id, outcome.state))
        for outcome in explained
    ]
    return storable(result_of(with_facts(outcomes, told), is_list=is_list))


def with_facts(outcomes: Sequence[Outcome], explained: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes, with those that were explained in their place."""
    facts = {outcome.job_id: outcome for outcome in explained}
    return [facts.get(outcome.job_id, outcome) for outcome in outcomes]


def failures_in(outcomes: Sequence[Outcome], *, raise_on_failure: bool = True) -> list[Outcome]:
    """
    Return the outcomes that fail the task.

    :param outcomes: One for each job.
    :param raise_on_failure: Whether a job that failed does; one without a result (not found, timed out) always does.
    """
    return [
        outcome for outcome in outcomes if not outcome.succeeded and (raise_on_failure or outcome.state not in _RESULTS)
    ]


class Explained(NamedTuple):
    """
    What an outcome that is not a success means for its task.

    :param error: What the task fails with; it carries the facts.
    :param lines: For the task's log.
    :param outcomes: Those about which something was read, with the facts.
    :param exit_codes: Those of all instances that failed by themselves; None stands for what has none, or was not read.
    :param end_as: How the task ends.
    """

    error: JobError
    lines: Sequence[str]
    outcomes: Sequence[Outcome]
    exit_codes: frozenset[int | None] = frozenset({None})
    end_as: EndAs = EndAs.ERROR


def final_error(error: Exception) -> AirflowFailException:
    """Return what fails a task without another try, because of ``fail_on_exit_code``; its cause is the error."""
    final = AirflowFailException(f"Failing without another try, because of fail_on_exit_code: {error}")
    final.__cause__ = error
    return final


def explain_all(
    hook: BatchHook, failures: Sequence[Outcome], codes: ExitCodes = NO_CODES, *, is_own: bool = False
) -> Explained:
    """
    Return the error of a task some of whose jobs are no success.

    The first is explained, and says how the task ends; only where its exit code would skip the task, the others are
    read as well, because one that failed otherwise must not be hidden.

    :param hook: Reads what the cloud says about the jobs; what it cannot read is left out.
    :param failures: The outcomes that are no success, at least one.
    :param codes: The exit codes that mean something.
    :param is_own: Whether the task itself has submitted the job, so that one that is not there was deleted.
    """
    read: list[Explained] = []
    for outcome in failures:
        found = explain(hook, outcome, is_own=is_own)
        read.append(found._replace(end_as=codes.end_of(found.exit_codes)))
        if read[-1].end_as is not EndAs.SKIPPED or len(failures) > MAX_SKIPPED_JOBS:
            break
    told = read[-1]
    if told.end_as is EndAs.SKIPPED and len(read) < len(failures):
        told = told._replace(end_as=EndAs.ERROR)
    return told._replace(
        lines=[line for one in read for line in one.lines], outcomes=[found for one in read for found in one.outcomes]
    )


def explain(hook: BatchHook, outcome: Outcome, *, is_own: bool = False) -> Explained:
    """
    Return the error for an outcome that is not a success, with what is read of the job to tell why.

    :param hook: Reads what the cloud says about the job; what it cannot read is left out.
    :param outcome: The outcome.
    :param is_own: Whether the task itself has submitted the job, so that one that is not there was deleted.
    """
    known = outcome.failure or Failure(outcome.job_id, outcome.state)
    if outcome.state == TIMEOUT:
        known = structs.replace(known, cause=Cause.TIMEOUT.value)
        text = f"Batch job {outcome.job_id}: {outcome.reason}. Raise the time for the wait, or make the job faster"
        return _without_reading(BatchJobTimeoutError, text, outcome, known)
    if outcome.state in (NOT_FOUND, REFUSED):
        if is_own:
            known = structs.replace(known, cause=Cause.DELETED.value)
        text = (
            f"Batch job {outcome.job_id!r} was not found in {hook.access.region}: {outcome.reason}. Check the id "
            f"and the region; for a job that was deleted, run the task again that submits it"
        )
        return _without_reading(BatchJobNotFoundError, text, outcome, known)
    diagnosis = hook.explain(outcome)
    facts = diagnosis.failure
    told = structs.replace(outcome, failure=facts).with_times(diagnosis.times)
    if outcome.state == NOT_STARTED:
        return Explained(BatchJobNotStartedError(str(diagnosis), **facts.to_dict()), diagnosis.detail, [told])
    kind = _BY_CAUSE.get(facts.cause, BatchJobFailedError)
    if outcome.state == JobState.FAILED_INTERRUPTED.value:
        kind = BatchJobInterruptedError
    return Explained(kind(str(diagnosis), **facts.to_dict()), diagnosis.detail, [told], diagnosis.exit_codes)


def _without_reading(kind: type[JobError], text: str, outcome: Outcome, failure: Failure) -> Explained:
    return Explained(kind(text, **failure.to_dict()), (), [structs.replace(outcome, failure=failure)])
