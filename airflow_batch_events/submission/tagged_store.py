# SPDX-License-Identifier: Apache-2.0
"""
Find an earlier try's submission by its tags, where Airflow has no task state store.

Nothing is recorded: what was submitted carries its own record, and what was sent but cannot be found yet is found by
its client token, which the cloud answers with the same job. The rules that must not be relaxed: a search that does not
tell ends the try; and a job that the token names but that does not exist any more is not taken for one that has failed.

What the tags cannot know, and what happens then:

- *Whether an earlier try has submitted elsewhere.* A search in another account, in another region or at another
  endpoint finds nothing, and the task submits there as well. Another key of the same account is no change.
- *How a job ended that was deleted.* A failed job is therefore not deleted while a further try may come. A later try
  whose job is gone submits nothing if ``on_finish_action`` may have deleted a successful one, unless a user has cleared
  the task, which asks for another job. A job that a user has deleted is submitted anew, as by a record.
- *Whether the task was waiting when a user cleared it.* Clearing ends the job that still runs, where the task would end
  it with its wait, also when the task had not come to wait for it.
- *A change of the description*, in one case of a thousand, because the digest is short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_events.exceptions import CloudError, SubmissionRecordError
from airflow_batch_events.submission.record import Submission, client_token
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.submission.tags import (
    TagRecord,
    identity_tags,
    read_record_tags,
    record_tags,
    short_digest,
)
from airflow_batch_events.submission.trace_context import from_token

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.tagged_answers import Tagged

_FAILED = "FAILED"


class TaggedSubmissionStore(SubmissionStore):
    """
    Find the submission of the running task instance by the tags of what was submitted.

    :param context: The task's context.
    :param search: Returns all that have the tags it is given.
    :param ends_when_cleared: Whether the job of a task that is cleared is ended.
    :param deletes_when_ended: Whether the task deletes its job when that has ended.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        search: Callable[[Mapping[str, str]], list[Tagged]],
        *,
        ends_when_cleared: bool = False,
        deletes_when_ended: bool = False,
    ) -> None:
        super().__init__(context, durable=False)
        self._search = search
        self._ends_when_cleared = ends_when_cleared
        self._deletes_when_ended = deletes_when_ended
        self._retries = getattr(context.get("task"), "retries", None)

    @property
    def is_durable(self) -> bool:
        """Whether anything is remembered between tries."""
        return True

    @property
    def keeps_identity(self) -> bool:
        """Whether it is remembered where and as whom something was submitted: it is not."""
        return False

    def kept_digest(self, digest: str) -> str:
        """Return what is kept of a description's digest."""
        return short_digest(digest)

    def kept_trace(self, traceparent: str | None, token: str) -> str | None:
        """Return the trace that each try sends a submission with; it is made from what each try knows."""
        return from_token(traceparent, token)

    def tags_of(self, submission: Submission) -> dict[str, str]:
        """Return the tags by which a later try finds a submission."""
        max_tries = self._max_tries if self._ends_when_cleared else None
        return {**self._identity_tags(), **record_tags(TagRecord(submission.number, submission.digest, max_tries))}

    def load_earlier(self) -> Submission | None:
        """
        Return what an earlier try has left; a first try has none, and asks nobody.

        :raises SubmissionRecordError: As of :meth:`load`.
        """
        return None if self._ti.try_number <= 1 else self.load()

    def load(self) -> Submission | None:
        """
        Return the last of what the task instance has submitted.

        :raises SubmissionRecordError: When the API does not tell, or somebody has changed the tags.
        """
        try:
            found = self._search(self._identity_tags())
        except CloudError as error:
            raise SubmissionRecordError(
                f"Cannot find out by tags whether an earlier try of this task has submitted something. Nothing was "
                f"submitted: run the task again when the API answers (BatchSubmitJobOperator: durable=False does not "
                f"ask): {error}"
            ) from error
        submissions = [self._read(tagged) for tagged in found]
        return max(submissions, key=lambda submission: submission.number, default=None)

    def may_be_gone(self, submission: Submission) -> bool:
        """
        Whether the cloud may have answered with what an earlier try has submitted, and is gone.

        Each try submits one number more at the most, so no earlier one can have come to the number of this one.
        """
        return submission.number < int(self._ti.try_number)

    def after_gone(self, submission: Submission, digest: str) -> Submission:
        """
        Return the submission that follows one that is gone.

        :raises SubmissionRecordError: When the gone one may have been deleted because it had succeeded.
        """
        if self._deletes_when_ended and not self._was_ever_cleared:
            raise SubmissionRecordError(
                f"An earlier try has submitted {submission.job_id}, which does not exist any more, and this version of "
                f"Airflow keeps no record of how it ended: it may have succeeded, and been deleted as on_finish_action "
                f"says. Nothing was submitted: clear the task to submit it anew, or mark it as successful"
            )
        return self.intend(submission.number + 1, digest)

    def ended(self, submission: Submission, state: str) -> Submission:
        """
        Keep a failed job while a further try may come, which learns from it that it has failed.

        :raises SubmissionRecordError: Then.
        """
        if state == _FAILED and self._ti.try_number <= (self._max_tries or 0):
            raise SubmissionRecordError("the next try of this task finds out by it how it ended")
        return submission

    def resumed(self) -> None:
        """Do nothing: whether the wait was ended by a user is seen by ``max_tries`` alone."""

    def _token(self, number: int) -> str:
        ti = self._ti
        return client_token(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, number)

    def _identity_tags(self) -> dict[str, str]:
        ti = self._ti
        return identity_tags(ti.dag_id, ti.task_id, ti.run_id, ti.map_index)

    @property
    def _was_ever_cleared(self) -> bool:
        max_tries = self._max_tries
        return max_tries is not None and self._retries is not None and max_tries > self._retries

    def _read(self, tagged: Tagged) -> Submission:
        try:
            record = read_record_tags(tagged.tags)
        except ValueError as error:
            raise SubmissionRecordError(
                f"Of {tagged.id}, which an earlier try of this task has submitted, {error}. Nothing was submitted: "
                f"put them back, or start a new DAG run (BatchSubmitJobOperator: durable=False does without)"
            ) from error
        return Submission(
            record.number,
            self._token(record.number),
            record.digest,
            job_id=tagged.id,
            waited_under=record.max_tries,
        )
