# SPDX-License-Identifier: Apache-2.0
"""
What an operator remembers between tries, so that a job is submitted exactly once.

Two-phase record in Airflow's task state store: an *intent* (submission number and client token) before SubmitJob, the
*job id* after it. The token is a hash of dag, task, run, map index and submission number; it never includes the try
number, because a try that died between SubmitJob's effect and the record must ask for the same job again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import asdict, replace

from airflow_batch_events.events.catalog import JobState, find_job_state

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

OnChangedJob = Literal["fail", "submit"]

STATE_KEY = "tencent_batch_submission"
"""The key in the task state store. Renaming it makes deployed operators forget their running jobs."""


class Step(Enum):
    """What to do on start."""

    SUBMIT = "submit"
    REATTACH = "reattach"
    RETURN = "return"
    SUBMIT_ANEW = "submit anew"
    REFUSE = "refuse"


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
    """

    number: int
    token: str
    digest: str
    job_id: str | None = None
    final_state: str | None = None
    waited_under: int | None = None

    def with_job(self, job_id: str) -> Submission:
        """Return the submission with SubmitJob's answer."""
        return replace(self, job_id=job_id)


def decide(submission: Submission | None, job_state: str | None, digest: str, on_changed_job: OnChangedJob) -> Step:
    """
    Say what a starting try does.

    :param submission: What the state store holds.
    :param job_state: The state of the submission's job; None when the API does not know the job (any more).
    :param digest: The digest of the job description of this try.
    :param on_changed_job: What to do when the description has changed while a job of the old one may be running or has
        succeeded: ``fail``, or ``submit`` the new one beside it.
    """
    if submission is None:
        return Step.SUBMIT
    has_changed = submission.digest not in ("", digest)
    if submission.job_id is None:
        # The same token is sent again: the cloud answers with the same job, if there is one. Another description under
        # that token, or another token, could run the work twice.
        return Step.REFUSE if has_changed and on_changed_job == "fail" else Step.SUBMIT
    state = find_job_state(job_state) if job_state else None
    if job_state is None or state in (JobState.FAILED, JobState.FAILED_INTERRUPTED):
        return Step.SUBMIT_ANEW
    if has_changed:
        return Step.REFUSE if on_changed_job == "fail" else Step.SUBMIT_ANEW
    return Step.RETURN if state is JobState.SUCCEED else Step.REATTACH


def digest_of(description: Mapping[str, Any]) -> str:
    """Return a digest of a job description that does not depend on the order of its keys."""
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def client_token(dag_id: str, task_id: str, run_id: str, map_index: int | None, number: int) -> str:
    """Return the token of a submission: 64 hexadecimal digits, the most that the API takes."""
    # JSON rather than a joined string, so that no two different instances can spell the same text.
    identity = json.dumps([dag_id, task_id, run_id, map_index, number])
    return hashlib.sha256(identity.encode()).hexdigest()


class SubmissionStore:
    """
    Keep the submission of the running task instance in Airflow's task state store.

    :param context: The task's context.
    :param durable: False remembers nothing between tries.
    """

    def __init__(self, context: Context, *, durable: bool = True) -> None:
        self._ti = context["ti"]
        self._store = context.get("task_state_store") if durable else None

    @property
    def is_durable(self) -> bool:
        """Whether anything is remembered between tries."""
        return self._store is not None

    def load(self) -> Submission | None:
        """Return what an earlier try has left."""
        data = self._store.get(STATE_KEY) if self._store is not None else None
        return msgspec.convert(data, Submission) if data is not None else None

    def intend(self, number: int, digest: str) -> Submission:
        """Record that a submission is about to be sent."""
        ti = self._ti
        token = client_token(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, number)
        if self._store is None:
            # Nothing will be remembered, so a later try must not be answered with this try's job.
            token = hashlib.sha256(f"{token}/{ti.try_number}".encode()).hexdigest()
        return self._save(Submission(number, token, digest))

    def submitted(self, submission: Submission, job_id: str) -> Submission:
        """Record SubmitJob's answer."""
        return self._save(submission.with_job(job_id))

    def refused(self, submission: Submission) -> Submission:
        """Record that the API has refused the submission, so that a later try may send another one."""
        return self._save(replace(submission, digest=""))

    def ended(self, submission: Submission, state: str) -> Submission:
        """Record how the job ended, before it is deleted."""
        return self._save(replace(submission, final_state=state))

    def waits(self, submission: Submission) -> Submission:
        """Record that the task is about to wait in the triggerer, for a job that is to be ended with the wait."""
        return self._save(replace(submission, waited_under=self._max_tries))

    def resumed(self) -> None:
        """Record that the wait in the triggerer was not ended by a user."""
        submission = self.load()
        if submission is not None and submission.waited_under is not None:
            self._save(replace(submission, waited_under=None))

    def was_cleared(self, submission: Submission) -> bool:
        """
        Whether a user has cleared the task while it waited in the triggerer.

        The triggerer may not have ended the job yet, and does not do so any more when it sees the new try wait.
        """
        return submission.waited_under is not None and submission.waited_under != self._max_tries

    @property
    def _max_tries(self) -> int | None:
        return getattr(self._ti, "max_tries", None)

    def _save(self, submission: Submission) -> Submission:
        if self._store is not None:
            self._store.set(STATE_KEY, asdict(submission))
        return submission
