# SPDX-License-Identifier: Apache-2.0
"""
How a task ends that has run many jobs: the error that it fails with, what it pushes, and what it counts.

The rule that must not be relaxed: how the jobs have ended is known, so nothing here that fails ends the task in another
way.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from airflow_batch_events.dispatch.metrics import IsolatedMetrics
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.events.many.result import ends_since, failure_text, summary_of
from airflow_batch_events.exceptions import BatchJobsFailedError, SubmissionRecordError
from airflow_batch_events.waiting.airflow_metrics import AirflowMetrics, task_tags
from airflow_batch_events.waiting.many_jobs import JobsRecord
from airflow_batch_events.waiting.task_result import BATCH_OUTCOME_XCOM, final_error

log = logging.getLogger(__name__)


def error_of_many(items: Sequence[Item], stopped: str | None, fail_on_exit_code: Collection[int]) -> Exception:
    """
    Return what a task fails with of whose jobs too many have failed.

    :param items: The jobs.
    :param stopped: Why the run ended before all jobs had; None when they have.
    :param fail_on_exit_code: The exit codes after which another try is pointless.
    """
    error = BatchJobsFailedError(failure_text(items, stopped), summary=summary_of(items))
    codes = {code for item in items if item.facts is not None for code in item.facts.exit_codes}
    return final_error(error) if codes & set(fail_on_exit_code) else error


def push_outcome(task_instance: Any, value: Any) -> None:
    """Push what a task would have returned that fails."""
    try:
        task_instance.xcom_push(key=BATCH_OUTCOME_XCOM, value=value)
    except Exception:
        log.warning("Cannot push the outcome as XCom %s", BATCH_OUTCOME_XCOM, exc_info=True)


def count_many(record: JobsRecord, items: Sequence[Item], task_instance: Any) -> None:
    """
    Count the jobs that have ended in the wait that is over, where it is known how they were when it began.

    :param record: The notes, which are still those that the wait began with.
    :param items: The jobs as the wait has left them.
    :param task_instance: The task's instance.
    """
    try:
        before = record.begun(len(items))
    except SubmissionRecordError as error:
        log.warning("How the jobs have ended is not counted: %s", error)
        return
    metrics = IsolatedMetrics(AirflowMetrics(**task_tags(task_instance)))
    for (state, cause), count in ends_since(before, items).items():
        metrics.count("jobs.ended", count, state=state, **({"cause": cause} if cause else {}))
