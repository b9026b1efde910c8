# SPDX-License-Identifier: Apache-2.0
"""
Keep the record of a submission in Airflow's task state store.

The rule that must not be relaxed: a record that cannot be read, or not be written before SubmitJob, ends the try. After
SubmitJob the token protects the work, and a record that cannot be written is a warning.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import (
    STATE_KEY,
    Submission,
    client_token,
    read_record,
    with_unknown_fields,
)

log = logging.getLogger(__name__)


class SubmissionStore:
    """
    Keep the submission of the running task instance in Airflow's task state store.

    :param context: The task's context.
    :param durable: False remembers nothing between tries.
    """

    def __init__(self, context: Mapping[str, Any], *, durable: bool = True) -> None:
        self._ti = context["ti"]
        self._store = context.get("task_state_store") if durable else None
        self._stored: Mapping[str, Any] = {}
        self._intended: Submission | None = None

    @property
    def is_durable(self) -> bool:
        """Whether anything is remembered between tries."""
        return self._store is not None

    @property
    def keeps_identity(self) -> bool:
        """Whether it is remembered where and as whom something was submitted."""
        return self.is_durable

    def kept_digest(self, digest: str) -> str:
        """Return what is kept of a description's digest."""
        return digest

    def kept_trace(self, traceparent: str | None, token: str) -> str | None:
        """Return the trace that each try sends a submission with; it is recorded."""
        return traceparent

    def tags_of(self, submission: Submission) -> dict[str, str]:
        """Return the tags by which a later try finds a submission: none, it is recorded."""
        return {}

    def may_be_gone(self, submission: Submission) -> bool:
        """Whether the cloud may have answered with what an earlier try has submitted, and is gone: a record says so."""
        return False

    def after_gone(self, submission: Submission, digest: str) -> Submission:
        """Return the submission that follows one that is gone."""
        return self.intend(submission.number + 1, digest)

    def load_earlier(self) -> Submission | None:
        """
        Return what an earlier try has left, for a try that begins.

        :raises SubmissionRecordError: As of :meth:`load`.
        """
        return self.load()

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
        submission = read_record(data)
        self._stored = dict(data) if isinstance(data, Mapping) else {}
        return submission

    def intend(
        self,
        number: int,
        digest: str,
        identity: Identity | None = None,
        *,
        after: Failure | None = None,
        traceparent: str | None = None,
    ) -> Submission:
        """
        Record that a submission is about to be sent.

        :param after: The facts of the failure that its description was made from.
        :param traceparent: The span that submits it.
        :raises SubmissionRecordError: When that cannot be recorded.
        """
        self._stored = {}
        facts = None if after is None else after.to_dict()
        token = self._token(number)
        intent = Submission(number, token, digest, identity=identity, after=facts)
        self._intended = self._save(replace(intent, traceparent=self.kept_trace(traceparent, token)))
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

    def failed(self, failure: Failure) -> None:
        """Record how the job failed, for the description of the next one; a later try can also ask the API."""
        try:
            submission = self.load()
        except SubmissionRecordError as error:
            log.warning("%s", error)
            return
        if submission is not None and submission.job_id == failure.job_id:
            self._try_to_save(replace(submission, failure=failure.to_dict()))

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

    def _token(self, number: int) -> str:
        ti = self._ti
        token = client_token(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, number)
        if self._store is None:
            # Nothing will be remembered, so a later try must not be answered with this try's job.
            token = hashlib.sha256(f"{token}/{ti.try_number}".encode()).hexdigest()
        return token

    def _save(self, submission: Submission) -> Submission:
        if self._store is None:
            return submission
        data = with_unknown_fields(self._stored, msgspec.to_builtins(submission))
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
