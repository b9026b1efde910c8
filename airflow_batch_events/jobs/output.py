# SPDX-License-Identifier: Apache-2.0
"""
Read from the API what a job has written, and why it failed.

What is read here is shown to people while a task ends, so an exception belongs to the instance that it came from: what
is known of the others is shown, and the task's own result stands.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.diagnosis import Diagnosis, FailedInstance, diagnose
from airflow_batch_events.events.outcome import NOT_STARTED, Outcome
from airflow_batch_events.events.outcomes.durations import times_of
from airflow_batch_events.exceptions import ApiError, BatchEventsError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.text import printable, printable_lines

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Send

log = logging.getLogger(__name__)

OUTPUT_LINES = 200
"""Lines of output that are read into a task's log."""

OUTPUT_TASKS = 20
"""Tasks of a job whose output is read into a task's log."""

EXPLAINED_INSTANCES = 5
"""Instances whose output is read: of a job to explain its failure, of a task to show what it has written."""

READ_INSTANCES = 100
"""Instances of a task whose exit codes are read, in one call."""

FAILED_STATES = (JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)
WAITING_STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING")


def read_output(send: Send, job_id: str) -> list[str]:
    """
    Return the ends of what a job has written, as printable lines for a log; at most 200.

    Up to five instances of each of the first 20 tasks are read. What cannot be read of one hides no other.

    :param send: Makes a call, as ``BatchHook.send`` does.
    :param job_id: The job.
    :raises BatchEventsError: When the job itself cannot be read.
    """
    lines: list[str] = []
    for task in send(batch.describe_job(job_id)).tasks[:OUTPUT_TASKS]:
        try:
            views = send(batch.describe_task(job_id, task.name, limit=EXPLAINED_INSTANCES)).instances
            logs = _logs(send, job_id, task.name, [view.index for view in views[:EXPLAINED_INSTANCES]])
        except BatchEventsError as error:
            log.warning("Cannot read the output of %s: %s", _shown_task(job_id, task.name), error)
            if isinstance(error, ApiError):
                continue
            # Without an answer, or a key, the other tasks would only take as long once more.
            break
        for written in logs.values():
            for title, text in (("stdout", written.stdout), ("stderr", written.stderr)):
                if text.strip():
                    lines.append(printable(f"task {task.name!r} instance {written.index}, end of {title}:"))
                    lines += [f"    {line}" for line in printable_lines(text)]
        if len(lines) > OUTPUT_LINES:
            return [*lines[:OUTPUT_LINES], "..."]
    return lines


def explain(send: Send, outcome: Outcome) -> Diagnosis:
    """
    Say why a job failed, or does not begin to run, with the output of up to five of its instances.

    What cannot be read is left out: an explanation must not fail in place of the job.

    :param send: Makes a call, as ``BatchHook.send`` does.
    :param outcome: How the wait for the job ended.
    """
    try:
        job = send(batch.describe_job(outcome.job_id))
    except BatchEventsError as error:
        return diagnose(outcome.job_id, outcome.state, outcome.reason, [], trouble=str(error))
    wanted = WAITING_STATES if outcome.state == NOT_STARTED else FAILED_STATES
    instances: list[FailedInstance] = []
    total = 0
    others: list[FailedInstance] = []
    for task in job.tasks:
        if task.state in wanted:
            most = EXPLAINED_INSTANCES - len(instances)
            found, count = _instances(send, outcome.job_id, task.name, wanted, most)
            instances += found[:most]
            others += found[most:]
            # Of a task that cannot be read at least one has failed.
            total += max(1, count)
    read, count = [*instances, *others], sum(job.instance_counts.values())
    # Of instances that were not read any may have begun earlier.
    began = [instance.began for instance in read] if len(read) == count else []
    return diagnose(
        outcome.job_id,
        outcome.state,
        job.state_reason or outcome.reason,
        instances,
        total,
        others=others,
        times=times_of(job.create_time, job.end_time, began, count),
    )


def _instances(
    send: Send, job_id: str, task_name: str, states: Sequence[str], most: int
) -> tuple[list[FailedInstance], int]:
    """Read the instances of a task in certain states, the first of them with their output, and how many there are."""
    what = _shown_task(job_id, task_name)
    try:
        task = send(batch.describe_task(job_id, task_name, states=states, limit=READ_INSTANCES))
    except BatchEventsError as error:
        log.warning("Cannot read what became of %s: %s", what, error)
        return [], 0
    logs: dict[int, batch.InstanceLog] = {}
    try:
        logs = _logs(send, job_id, task_name, [view.index for view in task.instances[:most]])
    except BatchEventsError as error:
        # What failed, and with which exit code, is known without its output.
        log.warning("Cannot read the output of %s: %s", what, error)
    return [
        FailedInstance(
            task_name=task_name,
            index=view.index,
            state=view.state,
            exit_code=view.exit_code,
            reason="; ".join(filter(None, [view.state_reason, view.state_detailed_reason])),
            stdout=logs[view.index].stdout if view.index in logs else "",
            stderr=logs[view.index].stderr if view.index in logs else "",
            began=view.running_time,
        )
        for view in task.instances
    ], task.total_count


def _logs(send: Send, job_id: str, task_name: str, indexes: Sequence[int]) -> dict[int, batch.InstanceLog]:
    """Read what instances have written; what the API refuses of one of them is left out."""
    if not indexes:
        return {}
    try:
        return {written.index: written for written in send(batch.describe_task_logs(job_id, task_name, indexes))}
    except ApiError as error:
        if len(indexes) == 1:
            what = _shown_task(job_id, task_name)
            log.warning("Cannot read the output of instance %d of %s: %s", indexes[0], what, error)
            return {}
    # One call for several is refused as a whole; which of them is meant shows in a call for each.
    logs: dict[int, batch.InstanceLog] = {}
    for index in indexes:
        logs.update(_logs(send, job_id, task_name, [index]))
    return logs


def _shown_task(job_id: str, task_name: str) -> str:
    return printable(f"task {task_name!r} of job {job_id}")
