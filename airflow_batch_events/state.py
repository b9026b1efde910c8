# SPDX-License-Identifier: Apache-2.0
"""
What an operator remembers between tries, so that a job is submitted exactly once.

Two-phase record in Airflow's task state store: an *intent* (submission number and client token) before SubmitJob, the
*job id* after it. The token is a hash of dag, task, run, map index and submission number; it never includes the try
number, because a try that died between SubmitJob's effect and the record must ask for the same job again.

The rule that must not be relaxed: a record that cannot be read, or not be written before SubmitJob, ends the try. After
SubmitJob the token protects the work, and a record that cannot be written is a warning.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from airflow_batch_events.events.catalog import JobState, find_job_state
from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.identity import Identity

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

log = logging.getLogger(__name__)

OnChangedJob = Literal["fail", "submit"]

STATE_KEY = "tencent_batch_submission"
"""The key in the task state store. Renaming it makes deployed operators forget their running jobs."""

VERSION = 1
"""The schema of what is stored. A field more does not change it: who does not know the field keeps it."""

WAYS_OUT = (
    f"Nothing was submitted. When nothing that an earlier try has submitted counts any more, start a new DAG run, or "
    f"delete {STATE_KEY!r} from the task's state (BatchSubmitJobOperator: durable=False does without the record)"
)


_FAILED = (JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)


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
    :param identity: Where and as whom it was submitted; None in a record of version 0.1.0, which has not noted it.
    :param version: The schema of the record.
    """

    number: Annotated[int, msgspec.Meta(ge=1)]
    token: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    digest: str
    job_id: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    final_state: str | None = None
    waited_under: int | None = None
    identity: Identity | None = None
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
        if has_changed:
            # Under the same token it could be answered with a job of the old description, under another one the work
            # could run twice.
            return Step.REFUSE if on_changed_job == "fail" else Step.SUBMIT_ANEW
        # The same token is sent again: the cloud answers with the same job, if there is one.
        return Step.SUBMIT
    state = find_job_state(job_state) if job_state else None
    if job_state is None or state in (JobState.FAILED, JobState.FAILED_INTERRUPTED):
        return Step.SUBMIT_ANEW
    if has_changed:
        return Step.REFUSE if on_changed_job == "fail" else Step.SUBMIT_ANEW
    return Step.RETURN if state is JobState.SUCCEED else Step.REATTACH


def moved_from(submission: Submission | None, now: Identity | None) -> list[str]:
    """
    Say in which points a try would look for an earlier submission in the wrong place; nothing when it would not.

    :param submission: What the state store holds. One that surely has no job that counts is nowhere; one without an
        identity is taken to be here.
    :param now: Where and as whom this try would submit.
    :raises IdentityUnknownError: When it cannot be told.
    """
    if submission is None or submission.identity is None or now is None:
        return []
    if submission.was_refused or submission.has_failed:
        return []
    return submission.identity.differences(now)


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
        self._stored: Mapping[str, Any] = {}
        self._intended: Submission | None = None

    @property
    def is_durable(self) -> bool:
        """Whether anything is remembered between tries."""
        return self._store is not None

    def load(self) -> Submission | None:
        """
        Return what an earlier try has left.

        :raises SubmissionRecordError: When the store does not answer, or holds what cannot be understood.
        """
        if self._store is None:
            return None
        try:
            data = self._store.get(STATE_KEY)
        # The store raises whatever its parts do: Airflow's API, and the back end that the deployment has chosen.
        except Exception as error:
            raise SubmissionRecordError(
                f"Airflow's state store does not say whether an earlier try of this task has submitted something "
                f"({type(error).__name__}). Nothing was submitted: run the task again when the store answers "
                f"(BatchSubmitJobOperator: durable=False does without it)"
            ) from error
        if data is None:
            return None
        submission = _read(data)
        self._stored = dict(data) if isinstance(data, Mapping) else {}
        return submission

    def intend(self, number: int, digest: str, identity: Identity | None = None) -> Submission:
        """
        Record that a submission is about to be sent.

        :raises SubmissionRecordError: When that cannot be recorded.
        """
        ti = self._ti
        token = client_token(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, number)
        if self._store is None:
            # Nothing will be remembered, so a later try must not be answered with this try's job.
            token = hashlib.sha256(f"{token}/{ti.try_number}".encode()).hexdigest()
        self._stored = {}
        self._intended = self._save(Submission(number, token, digest, identity=identity))
        return self._intended

    def submitted(self, submission: Submission, job_id: str) -> Submission:
        """Record SubmitJob's answer."""
        return self._try_to_save(submission.with_job(job_id))

    def found(self, submission: Submission, identity: Identity | None) -> Submission:
        """Record as whom an earlier try's job was found, where that is news: a record of 0.1.0, an exchanged key."""
        if identity is None or submission.identity == identity:
            return submission
        return self._try_to_save(replace(submission, identity=identity))

    def refused(self, submission: Submission) -> Submission:
        """
        Record that the API has refused the submission, so that a later try may send another one.

        One that an earlier try has sent, too, stays as it is: nothing is known of what became of it then.
        """
        if submission is not self._intended:
            log.warning("What became of submission %d when an earlier try sent it is not known", submission.number)
            return submission
        return self._try_to_save(replace(submission, digest=""))

    def ended(self, submission: Submission, state: str) -> Submission:
        """
        Record how the job ended, before it is deleted.

        :raises SubmissionRecordError: When that cannot be recorded.
        """
        return self._save(replace(submission, final_state=state))

    def waits(self, submission: Submission) -> Submission:
        """Record that the task is about to wait in the triggerer, for a job that is to be ended with the wait."""
        return self._try_to_save(replace(submission, waited_under=self._max_tries))

    def resumed(self) -> None:
        """Record that the wait in the triggerer was not ended by a user."""
        try:
            submission = self.load()
        except SubmissionRecordError as error:
            # The wait is over, and how it ended does not depend on the record.
            log.warning("%s", error)
            return
        if submission is not None and submission.waited_under is not None:
            self._try_to_save(replace(submission, waited_under=None))

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
        if self._store is None:
            return submission
        data = _with_unknown_fields(self._stored, msgspec.to_builtins(submission))
        try:
            self._store.set(STATE_KEY, data)
        except Exception as error:
            raise SubmissionRecordError(
                f"Airflow's state store does not take what a later try must know of submission {submission.number} "
                f"({type(error).__name__}): run the task again when the store answers (BatchSubmitJobOperator: "
                f"durable=False does without it)"
            ) from error
        self._stored = data
        return submission

    def _try_to_save(self, submission: Submission) -> Submission:
        try:
            return self._save(submission)
        except SubmissionRecordError as error:
            log.warning("A later try will have to find out by the client token: %s", error)
            return submission


def _read(data: object) -> Submission:
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


def _with_unknown_fields(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the new record with what another version of this package has added to the old one."""
    kept = {name: value for name, value in old.items() if name not in new}
    before, after = old.get("identity"), new.get("identity")
    if isinstance(before, Mapping) and isinstance(after, dict):
        kept["identity"] = {**before, **after}
    return {**new, **kept}
