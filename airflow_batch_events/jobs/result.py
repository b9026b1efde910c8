# SPDX-License-Identifier: Apache-2.0
"""
Read the value that a job has left behind, from its output or from COS.

What could not be read is an error of the cloud, and a later try reads again. What was read and is no value is the
job's fault, and a later try has to run the job again: the two are never the same exception.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcomes.job_result import MAX_RESULT, json_value, last_line, path_for
from airflow_batch_events.exceptions import ApiNotFoundError, BatchJobResultError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.text import printable

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Send
    from airflow_batch_events.protocol.credentials.access import CloudAccess

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between reads of an output that is still empty: it may come later than the end of its job."""

_SHOWN = 200


def read_result(
    send: Send,
    access: Callable[[], CloudAccess],
    job_id: str,
    path: str | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Any:
    """
    Return what a job that succeeded has left behind.

    :param send: Makes a call, as ``BatchHook.send`` does.
    :param access: Returns whose key COS is read with.
    :param job_id: The job.
    :param path: The object in COS that holds JSON, at most 1 MiB; by default the last line of standard output of the
        first instance of the first task is JSON, as far as the API shows it (2,048 bytes).
    :param sleep: Waits between reads.
    :raises BatchJobResultError: When there is no value, or it cannot be used.
    :raises CloudError: When it cannot be read.
    """
    if path is not None:
        return _from_cos(access(), job_id, path)
    return _from_stdout(send, job_id, sleep)


def result_error(job_id: str, what: str, why: object) -> BatchJobResultError:
    """Return the error of a job without a usable value."""
    text = f"Batch job {job_id} succeeded, but {what} is no result: {why}"
    return BatchJobResultError(text, job_id=job_id, state=JobState.SUCCEED.value)


def _from_stdout(send: Send, job_id: str, sleep: Callable[[float], None]) -> Any:
    what = "the last line of its standard output"
    try:
        tasks = send(batch.describe_job(job_id)).tasks
        if not tasks:
            raise result_error(job_id, what, "the API shows no task of it")
        name = tasks[0].name
        what = printable(f"the last line of standard output of task {name!r} instance 0")
        stdout = _stdout_of(send, job_id, name)
        for pause in PAUSES:
            if stdout.strip():
                break
            sleep(pause)
            stdout = _stdout_of(send, job_id, name)
    except ApiNotFoundError as error:
        raise result_error(job_id, what, f"it cannot be read any more ({error})") from error
    line = ""
    try:
        line = last_line(stdout)
        return json_value(line)
    except ValueError as error:
        shown = f" (it is {printable(line, _SHOWN)!r})" if line else ""
        raise result_error(job_id, what, f"{error}{shown}") from error


def _stdout_of(send: Send, job_id: str, task_name: str) -> str:
    logs = send(batch.describe_task_logs(job_id, task_name, [0]))
    return next((written.stdout for written in logs if written.index == 0), "")


def _from_cos(access: CloudAccess, job_id: str, path: str) -> Any:
    from airflow_batch_events.protocol.cos import read_object

    found = path_for(path, job_id)
    what = printable(f"cos://{found.bucket}/{found.key}", 1200)
    content = read_object(access, found, MAX_RESULT)
    if content is None:
        raise result_error(job_id, what, "there is no such object; has the job written it, and under this name?")
    if len(content) > MAX_RESULT:
        raise result_error(
            job_id, what, f"it has more than {MAX_RESULT} bytes: let the job leave a name or a summary there instead"
        )
    try:
        return json_value(content)
    except ValueError as error:
        raise result_error(job_id, what, error) from error
