# SPDX-License-Identifier: Apache-2.0
"""
What is remembered of a submission between tries, and how it is read back.

The record is an *intent* (submission number and client token) before SubmitJob, and holds the *job id* after it. The
token is a hash of dag, task, run, map index and submission number; it never includes the try number, because a try that
died between SubmitJob's effect and the record must ask for the same job again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.limits import MAX_CLIENT_TOKEN
from airflow_batch_events.submission.identity import Identity

STATE_KEY = "tencent_batch_submission"
"""The key in the task state store. Renaming it makes deployed operators forget their running jobs."""

VERSION = 1
"""The schema of what is stored. A field more does not change it: a version that does not know the field keeps it."""

WAYS_OUT = (
    f"Nothing was submitted. When nothing that an earlier try has submitted counts any more, start a new DAG run, or "
    f"delete {STATE_KEY!r} from the task's state (BatchSubmitJobOperator: durable=False does without the record)"
)

_FAILED = (JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)


class Submission(msgspec.Struct, frozen=True):
    """
    One submission of a task instance.

    :param number: 1 for the first; a failed job leads to the next number.
    :param token: The client token that SubmitJob is sent with; at most 64 ASCII characters.
    :param digest: A digest of what is submitted; empty once the API has refused it, and so surely has no job of it.
    :param job_id: The job, once SubmitJob has answered.
    :param final_state: How the job ended, if it was deleted afterwards and cannot be asked any more.
    :param waited_under: The task instance's ``max_tries`` while it waits in the triggerer for a job that is to be ended
        with the wait. Airflow raises that number when a user clears the task, and at no other time.
    :param identity: Where and as whom it was submitted; None in a record of version 0.1.0, which has not noted it.
    :param after: The facts of the failure that led to this submission, where its description was made from them.
    :param failure: The facts of how its own job failed, where they were noted.
    :param traceparent: The trace that it was sent with; see ``submission/trace_context.py``.
    :param version: The schema of the record.
    """

    number: Annotated[int, msgspec.Meta(ge=1)]
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CLIENT_TOKEN)]
    digest: str
    job_id: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    final_state: str | None = None
    waited_under: int | None = None
    identity: Identity | None = None
    after: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    traceparent: str | None = None
    version: int = VERSION

    @property
    def was_refused(self) -> bool:
        """Whether the API has refused it, so that there surely is no job of it, here or elsewhere."""
        return self.job_id is None and not self.digest

    @property
    def has_failed(self) -> bool:
        """Whether it is known to have ended in a way that lets a later try submit anew."""
        return self.final_state in _FAILED

    def with_job(self, job_id: str) -> Submission:
        """Return the submission with SubmitJob's answer."""
        return replace(self, job_id=job_id)


def client_token(dag_id: str, task_id: str, run_id: str, map_index: int | None, number: int) -> str:
    """Return the token of a submission: 64 hexadecimal digits, the most that the API takes."""
    # JSON rather than a joined string, so that no two different instances can spell the same text.
    identity = json.dumps([dag_id, task_id, run_id, map_index, number])
    return hashlib.sha256(identity.encode()).hexdigest()


def read_record(data: object) -> Submission:
    """
    Read what an earlier try has left.

    :raises SubmissionRecordError: When it cannot be understood.
    """
    version = data.get("version", VERSION) if isinstance(data, Mapping) else None
    if isinstance(version, int) and version != VERSION:
        raise SubmissionRecordError(
            f"An earlier try of this task ran under a version of this package that keeps other records (schema "
            f"{version}; this one reads {VERSION}): run the task under that version. {WAYS_OUT}"
        )
    try:
        return msgspec.convert(data, Submission)
    except (msgspec.ValidationError, RecursionError) as error:
        # The text of a validation error names types and places, never values.
        raise SubmissionRecordError(
            f"What an earlier try of this task has recorded cannot be understood ({error}). {WAYS_OUT}"
        ) from error


def with_unknown_fields(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the new record with what another version of this package has added to the old one."""
    kept = {name: value for name, value in old.items() if name not in new}
    before, after = old.get("identity"), new.get("identity")
    if isinstance(before, Mapping) and isinstance(after, dict):
        kept["identity"] = {**before, **after}
    return {**new, **kept}
