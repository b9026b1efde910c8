# SPDX-License-Identifier: Apache-2.0
"""
Submit something exactly once, however often its task is tried: one procedure for jobs and compute environments.

The rule that must not be relaxed: while it cannot be found out what became of an earlier try's submission, nothing is
submitted; and nobody is asked about it who cannot know, because "no such job" is what another account or region
answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from airflow_batch_events.events.catalog import find_job_state
from airflow_batch_events.events.outcome import NOT_FOUND, Outcome
from airflow_batch_events.events.outcomes.failure import Cause, Failure
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiThrottledError,
    CloudError,
    ComputeEnvStateUnknownError,
    ConfigurationError,
    IdentityChangedError,
    JobStateUnknownError,
    SubmissionChangedError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.submission.cost_tags import with_cost_tags
from airflow_batch_events.submission.decision import OnChangedJob, SubmitDecision, decide, digest_of, moved_from
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.submission.tags import with_tags
from airflow_batch_events.submission.trace_context import with_traceparent
from airflow_batch_events.text import printable
from airflow_batch_events.waiting.job_steps import JobSteps

_REFUSALS = (ConfigurationError, ApiParameterError, ApiQuotaError, ApiRefusedError, ApiThrottledError)
"""The errors after which there surely is nothing of what was sent."""


class Submittable(ABC):
    """
    What a task submits: its description, and what the API says about an earlier submission of it.

    :param hook: The Batch API.
    :param description: The API's object.
    :param placement: The API's ``Placement`` object.
    """

    noun: ClassVar[str]
    """What it is called in log lines."""

    api_name: ClassVar[str]
    """What the API calls the description; part of the digest that is kept, so it must not change."""

    name_field: ClassVar[str]
    """The field of the description that holds its name."""

    def __init__(self, hook: BatchHook, description: Mapping[str, Any], placement: Mapping[str, Any]) -> None:
        self.hook = hook
        self.description = description
        self.placement = placement

    @property
    def digest(self) -> str:
        """The digest by which a later try sees that another thing is to be submitted."""
        return digest_of({self.api_name: self.description, "Placement": self.placement})

    def choose(self, number: int, failure: Failure | None) -> None:  # noqa: B027 - most have one description
        """
        Take the description of a submission, where each has its own.

        :param number: Which submission of the task it is; 1 for the first.
        :param failure: How the job of the one before it failed.
        """

    def failure_of(self, submission: Submission) -> Failure | None:
        """Return how the job of an earlier try failed, where the description of the next one is made from it."""
        return None

    @abstractmethod
    def send(self, description: dict[str, Any], token: str) -> str:
        """
        Submit it, and return its id.

        :param description: The description, perhaps with tags that a later try finds it by.
        :param token: The client token.
        """

    @abstractmethod
    def state_of(self, submission: Submission) -> str | None:
        """
        Return the state of what an earlier try has submitted; None only when the API surely does not know it.

        :raises JobStateUnknownError: When that cannot be found out of a job.
        :raises ComputeEnvStateUnknownError: When that cannot be found out of an environment.
        """

    @abstractmethod
    def moved(self, submission: Submission, points: Sequence[str]) -> IdentityChangedError:
        """Return the error for an earlier submission to another place, or as somebody else."""

    @abstractmethod
    def changed(self, submission: Submission) -> SubmissionChangedError:
        """Return the error for an earlier submission of another description."""

    def end_cleared(self, submission: Submission, state: str | None) -> str | None:
        """End what a user has ended by clearing the task while it waited, and return its state."""
        return state


class JobSubmission(Submittable):
    """
    A job that a task submits.

    :param hook: The Batch API.
    :param description: The API's object; that of the first submission, where each has its own.
    :param placement: The API's ``Placement`` object; that of the first submission, too.
    :param steps: Returns both of a submission by its number and the failure before it.
    """

    noun = "job"
    api_name = "Job"
    name_field = "JobName"

    def __init__(
        self,
        hook: BatchHook,
        description: Mapping[str, Any],
        placement: Mapping[str, Any],
        steps: JobSteps | None = None,
    ) -> None:
        super().__init__(hook, description, placement)
        self.steps = steps

    def choose(self, number: int, failure: Failure | None) -> None:
        """Take the description of a submission, where each has its own."""
        if self.steps is not None:
            self.description, self.placement = self.steps.step(number, failure)

    def failure_of(self, submission: Submission) -> Failure | None:
        """Return how the job of an earlier try failed; it is read from the API where no try has noted it."""
        if self.steps is None or not self.steps.wants_failure or submission.job_id is None:
            return None
        known = Failure.from_dict(submission.failure)
        if known is not None:
            return known
        state = submission.final_state or self.state_of(submission)
        if state is None:
            return Failure(submission.job_id, NOT_FOUND, Cause.DELETED.value)
        return self.hook.explain(Outcome(submission.job_id, state, succeeded=False)).failure.without_output()

    def send(self, description: dict[str, Any], token: str) -> str:
        """Submit the job, and return its id."""
        return self.hook.submit_job(description, dict(self.placement), token)

    def state_of(self, submission: Submission) -> str | None:
        """Return the state of an earlier try's job; None only when the API surely does not know it."""
        if submission.job_id is None:
            return None
        if submission.final_state is not None:
            return submission.final_state
        try:
            return self.hook.get_lasting_job_state(submission.job_id)
        except CloudError as error:
            raise JobStateUnknownError(
                f"Cannot find out what became of job {submission.job_id}, which an earlier try has submitted; nothing "
                f"was submitted: {error}"
            ) from error

    def moved(self, submission: Submission, points: Sequence[str]) -> IdentityChangedError:
        """Return the error for a job of an earlier try that is elsewhere."""
        return IdentityChangedError(
            f"An earlier try has submitted {_job_of(submission)} elsewhere, where it may still run: "
            f"{'; '.join(points)}. Nothing was submitted: change the connection and the region back, or set "
            f"on_changed_job='submit' to submit the job here as well"
        )

    def changed(self, submission: Submission) -> SubmissionChangedError:
        """Return the error for a job of an earlier try that has another description."""
        return SubmissionChangedError(
            f"An earlier try has submitted another job description ({submission.job_id or 'its job id is not known'}): "
            f"change it back, clear the task's state, or set on_changed_job='submit'"
        )

    def end_cleared(self, submission: Submission, state: str | None) -> str | None:
        """End the job of a wait that a user has ended by clearing the task, and return its state."""
        # The triggerer may come later than this try, or not at all.
        known = find_job_state(state) if state else None
        if submission.job_id is None or state is None or (known is not None and known.is_settled):
            return state
        report = self.hook.terminate_job(submission.job_id)
        self.hook.log.info("The task was cleared while it waited: %s", report)
        state = self.state_of(submission)
        known = find_job_state(state) if state else None
        if known is not None and not known.is_settled:
            raise JobStateUnknownError(
                f"The task was cleared while it waited for job {submission.job_id}, which must have ended before "
                f"another one is submitted; nothing was submitted: {report}"
            )
        return state


def submit_once(
    what: Submittable,
    store: SubmissionStore,
    *,
    on_changed: OnChangedJob = "fail",
    check: Callable[[], None] = lambda: None,
    on_id: Callable[[str], None] = lambda job_id: None,
    tags: Callable[[Submission], Mapping[str, str]] = lambda submission: {},
    traceparent: str | None = None,
) -> tuple[Submission, str]:
    """
    Submit it, or find what an earlier try has submitted.

    :param what: What to submit.
    :param store: What earlier tries of the task have noted.
    :param on_changed: What to do when the description has changed, or the account, the region or the endpoint, while
        what an earlier try has submitted may be active or has succeeded.
    :param check: Called when something is about to be submitted; raises what must keep it from being.
    :param on_id: Called with the id as soon as it is known, before it is noted.
    :param tags: Returns further tags of a submission, which no later try needs.
    :param traceparent: The span that submits.
    :return: The record, and the id.
    :raises ConfigurationError: When there is no room for the tags that a later try needs.
    :raises IdentityChangedError: When an earlier try has submitted elsewhere, or as somebody else.
    :raises IdentityUnknownError: When it cannot be found out whether that was somebody else.
    :raises SubmissionChangedError: When an earlier try has submitted another description.
    :raises JobStateUnknownError: When it cannot be found out what became of an earlier try's job.
    :raises ComputeEnvStateUnknownError: When it cannot be found out whether an earlier try's environment still exists.
    :raises SubmissionRecordError: When what earlier tries have noted cannot be read, or nothing can be noted.
    """
    hook = what.hook
    last = store.load_earlier()
    # Compared is what the earlier try has submitted, so its description is the one of its own number.
    what.choose(last.number if last else 1, Failure.from_dict(last.after) if last else None)
    digest = store.kept_digest(what.digest)
    identity = hook.identify(last.identity if last else None) if store.keeps_identity else None
    if last is not None and (points := moved_from(last, identity)):
        error = what.moved(last, points)
        if on_changed == "fail":
            raise error
        hook.log.warning(
            "Submitting anew, while %s of an earlier try may still run elsewhere: %s", _job_of(last), "; ".join(points)
        )
        decision, identity = SubmitDecision.SUBMIT_ANEW, hook.identify()
    else:
        decision = _decide(what, store, last, digest, on_changed)
    if decision in (SubmitDecision.REATTACH, SubmitDecision.RETURN) and last is not None and last.job_id is not None:
        on_id(last.job_id)
        hook.log.info("Found %s %s of an earlier try; nothing is submitted", what.noun, last.job_id)
        return store.found(last, identity), last.job_id
    check()
    if last is None or decision is SubmitDecision.SUBMIT_ANEW:
        after = what.failure_of(last) if last else None
        number = last.number + 1 if last else 1
        what.choose(number, after)
        last = store.intend(number, store.kept_digest(what.digest), identity, after=after, traceparent=traceparent)
    elif last.was_refused:
        after = Failure.from_dict(last.after)
        last = store.intend(last.number, digest, identity, after=after, traceparent=traceparent)
    new_id = _send(what, store, last, on_id, tags(last))
    while store.may_be_gone(last) and _is_gone(what, last.with_job(new_id)):
        hook.log.info("%s %s of an earlier try does not exist any more", what.noun, new_id)
        what.choose(last.number + 1, None)
        last = store.after_gone(last.with_job(new_id), store.kept_digest(what.digest))
        new_id = _send(what, store, last, on_id, tags(last))
    hook.log.info("Submitted %s %s in %s", what.noun, new_id, hook.access.region)
    return store.submitted(last, new_id), new_id


def _send(
    what: Submittable,
    store: SubmissionStore,
    submission: Submission,
    on_id: Callable[[str], None],
    tags: Mapping[str, str],
) -> str:
    tagged = with_cost_tags(with_tags(what.description, store.tags_of(submission)), tags)
    description = with_traceparent(tagged, submission.traceparent)
    name = printable(what.description.get(what.name_field), 200)
    what.hook.log.info("Submitting %s '%s', submission %d of this task", what.noun, name, submission.number)
    try:
        new_id = what.send(description, submission.token)
    except _REFUSALS:
        store.refused(submission)
        raise
    except BaseException:
        # A timeout of the task or its end, too, may come while the call is made.
        what.hook.log.error(
            "Whether the %s was submitted is not known: a retry of this task gets it, if there is one", what.noun
        )
        raise
    on_id(new_id)
    return new_id


def _is_gone(what: Submittable, submission: Submission) -> bool:
    try:
        return what.state_of(submission) is None
    except (JobStateUnknownError, ComputeEnvStateUnknownError):
        # It has been submitted, and the wait for it will find out.
        return False


def _decide(
    what: Submittable, store: SubmissionStore, last: Submission | None, digest: str, on_changed: OnChangedJob
) -> SubmitDecision:
    if last is None:
        return SubmitDecision.SUBMIT
    state = what.state_of(last)
    if store.was_cleared(last):
        state = what.end_cleared(last, state)
    decision = decide(last, state, digest, on_changed)
    if decision is SubmitDecision.REFUSE:
        raise what.changed(last)
    return decision


def _job_of(submission: Submission) -> str:
    return submission.job_id or "a job whose id is not known"
