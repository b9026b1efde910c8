# SPDX-License-Identifier: Apache-2.0
"""
Why one of many jobs has failed: the facts of a failure, small enough to be noted of each; pure.

The ends of the output are not among them: a hundred of them would be 400 KB in every note.
"""

from __future__ import annotations

import msgspec

from airflow_batch_events.events.diagnosis import Diagnosis
from airflow_batch_events.events.outcome import NOT_FOUND, TIMEOUT
from airflow_batch_events.events.outcomes.failure import Cause

MAX_EXIT_CODES = 10
"""Different exit codes of one job that are noted."""

_WITHOUT_READING = {TIMEOUT: Cause.TIMEOUT.value, NOT_FOUND: Cause.DELETED.value}


class JobFacts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    Why a job has failed.

    :param cause: One of :class:`Cause`, as text.
    :param task_name: The task of the instance that failed first by itself; None where no instance is known.
    :param instance: Its 0-based index.
    :param exit_code: Its exit code; None when the command never ran, or the API does not say.
    :param exit_codes: Those of all instances that failed by themselves, as far as they were read; the first ten.
    """

    cause: str = Cause.UNKNOWN.value
    task_name: str | None = None
    instance: int | None = None
    exit_code: int | None = None
    exit_codes: tuple[int, ...] = ()


def facts_of(diagnosis: Diagnosis) -> JobFacts:
    """Return what is noted of a diagnosis."""
    failure = diagnosis.failure
    codes = sorted(code for code in diagnosis.exit_codes if code is not None)
    return JobFacts(
        failure.cause, failure.task_name, failure.instance, failure.exit_code, tuple(codes[:MAX_EXIT_CODES])
    )


def reason_of(diagnosis: Diagnosis) -> str:
    """Return a diagnosis in words, for a place that names job and state by itself."""
    failure = diagnosis.failure
    return diagnosis.summary.removeprefix(f"Batch job {failure.job_id} ended {failure.state}: ")


def cause_of(state: str, facts: JobFacts | None) -> str:
    """
    Return why a job is no success; the state alone tells it of one that was not read.

    :param state: The state in its outcome.
    :param facts: What was read.
    """
    return _WITHOUT_READING.get(state, Cause.UNKNOWN.value) if facts is None else facts.cause
