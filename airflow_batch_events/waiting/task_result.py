# SPDX-License-Identifier: Apache-2.0
"""
What an outcome means for a task: which one fails it, with which error, and why.

One place for the tasks that end on a worker and for those that end in the triggerer, so that both fail alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import NOT_FOUND, NOT_STARTED, REFUSED, TIMEOUT, Outcome, OutcomeDict
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

_RESULTS = (JobState.SUCCEED.value, JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)


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
