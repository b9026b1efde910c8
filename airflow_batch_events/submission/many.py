# SPDX-License-Identifier: Apache-2.0
"""
What a task that runs many jobs notes between tries, the tokens of its jobs, and what a later try does.

How long the cloud keeps a client token is documented nowhere. So a token stands for a job only from SubmitJob's call
until its answer is noted, a second or so; what is noted is never asked for by its token again.

Notes come from two places. The worker keeps them in Airflow's task state store, under one key for the whole and one for
each chunk of jobs; and while the task waits, the triggerer notes what becomes of the jobs elsewhere, and the worker
that ends the wait brings that here. A wait from which no notes have come back has lost them: then it is not known which
jobs it has submitted, and all are asked for under its tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated

import msgspec

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.events.outcome import TIMEOUT
from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.identity import Identity

JOBS_KEY = "tencent_batch_jobs"
"""
The key in the task state store, and with a number behind it that of each chunk; the triggerer's notes have these names,
too. Renaming it makes deployed operators forget their running jobs.
"""

VERSION = 1
"""The schema of what is stored."""


class JobsSubmission(msgspec.Struct, frozen=True):
    """
    What is noted of a task's jobs as a whole.

    :param digest: A digest of all descriptions.
    :param total: How many jobs there are.
    :param generation: One more each time that nothing of what was submitted before counts any more.
    :param waits: How many tries of this generation have begun to wait: no job has a higher number than that.
    :param is_noted: Whether the chunks are what the last of them has left; if not, they are what it began with.
    :param waited_under: The task instance's ``max_tries`` while it waits for jobs that are to be ended with the wait.
        Airflow raises that number when a user clears the task, and at no other time.
    :param identity: Where and as whom they were submitted.
    :param traceparent: The trace that they are sent with; see ``submission/trace_context.py``.
    :param version: The schema of the record.
    """

    digest: str
    total: Annotated[int, msgspec.Meta(ge=1)]
    generation: Annotated[int, msgspec.Meta(ge=1)] = 1
    waits: Annotated[int, msgspec.Meta(ge=0)] = 0
    is_noted: bool = False
    waited_under: int | None = None
    identity: Identity | None = None
    traceparent: str | None = None
    version: int = VERSION


def read_jobs_record(data: object) -> JobsSubmission:
    """
    Read what an earlier try has left.

    :raises SubmissionRecordError: When it cannot be understood.
    """
    try:
        record = msgspec.convert(data, JobsSubmission)
    except (msgspec.ValidationError, RecursionError) as error:
        # The text of a validation error names types and places, never values.
        raise SubmissionRecordError(
            f"What an earlier try of this task has recorded cannot be understood ({error}). Nothing was submitted: "
            f"when nothing that it has submitted counts any more, start a new DAG run"
        ) from error
    if record.version != VERSION:
        raise SubmissionRecordError(
            f"An earlier try of this task ran under a version of this package that keeps other records (schema "
            f"{record.version}; this one reads {VERSION}). Nothing was submitted: run the task under that version, or "
            f"start a new DAG run"
        )
    return record


def chunk_key(chunk: int) -> str:
    """Return the key of a chunk's notes."""
    return f"{JOBS_KEY}_{chunk}"


def token_seed(dag_id: str, task_id: str, run_id: str, map_index: int | None, generation: int) -> str:
    """Return what the tokens of all jobs of a task instance are made from; never the try number."""
    # JSON rather than a joined string, so that no two different instances can spell the same text.
    identity = json.dumps([dag_id, task_id, run_id, map_index, "jobs", generation])
    return hashlib.sha256(identity.encode()).hexdigest()


def job_token(seed: str, index: int, number: int) -> str:
    """
    Return the client token of a job: 64 hexadecimal digits, the most that the API takes.

    :param seed: What :func:`token_seed` has returned.
    :param index: The job's place in the list.
    :param number: 1 for its first submission.
    """
    return hashlib.sha256(f"{seed}/{index}/{number}".encode()).hexdigest()


def handover_name(seed: str, wait: int) -> str:
    """
    Return the name under which the triggerer leaves its notes for the worker that ends a wait.

    :param seed: What :func:`token_seed` has returned.
    :param wait: The number of the wait, so that nobody takes the notes of another one.
    """
    return f"{JOBS_KEY}_{hashlib.sha256(seed.encode()).hexdigest()[:24]}_{wait}"


def descriptions_key(name: str) -> str:
    """Return the key of the XCom with the descriptions, for a wait of that name whose trigger cannot carry them."""
    return f"{name}_jobs"


def renew(items: Iterable[Item], *, is_noted: bool, waits: int, were_ended: bool) -> list[Item]:
    """
    Return the jobs as a later try begins with them: those that have failed are submitted anew.

    :param items: The last notes.
    :param is_noted: Whether these are the notes at the end of the last wait.
    :param waits: How many tries have begun to wait.
    :param were_ended: Whether jobs that had timed out were ended.
    """
    return [_renewed(item, is_noted=is_noted, waits=waits, were_ended=were_ended) for item in items]


def _renewed(item: Item, *, is_noted: bool, waits: int, were_ended: bool) -> Item:
    if item.state == JobState.SUCCEED.value:
        return item
    if item.state is None or (item.state == TIMEOUT and not were_ended):
        # It runs, or has ended unseen; if badly, that was in the earlier try.
        earlier = item.number if is_noted and item.job_id is not None else (0 if is_noted else waits)
        return Item(item.number, item.job_id, earlier=earlier)
    return Item(item.number + 1, earlier=0 if is_noted else waits)
