# SPDX-License-Identifier: Apache-2.0
"""
Submit a job exactly once, however often its task is tried.

The rule that must not be relaxed: while it cannot be found out what became of an earlier try's job, none is submitted;
and nobody is asked about it who cannot know it, because "no such job" is what another account or region answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_batch_events.events.catalog import find_job_state
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiThrottledError,
    CloudError,
    ConfigurationError,
    IdentityChangedError,
    JobStateUnknownError,
    SubmissionChangedError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.submission.decision import OnChangedJob, SubmitDecision, decide, digest_of, moved_from
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.text import printable


def submit_once(
    hook: BatchHook,
    store: SubmissionStore,
    description: dict[str, Any],
    placement: dict[str, Any],
    *,
    on_changed_job: OnChangedJob = "fail",
    check: Callable[[], None] = lambda: None,
    on_job: Callable[[str], None] = lambda job_id: None,
) -> tuple[Submission, str]:
    """
    Submit the job, or find the one that an earlier try has submitted.

    :param hook: The Batch API.
    :param store: What earlier tries of the task have noted.
    :param description: The API's ``Job`` object.
    :param placement: The API's ``Placement`` object.
    :param on_changed_job: What to do when the description has changed, or the account, the region or the endpoint,
        while the job of an earlier try may be running or has succeeded.
    :param check: Called when a job is about to be submitted; raises what must keep it from being.
    :param on_job: Called with the job's id as soon as it is known, before it is noted.
    :return: The record, and the job's id.
    :raises IdentityChangedError: When an earlier try has submitted elsewhere, or as somebody else.
    :raises IdentityUnknownError: When it cannot be found out whether that was somebody else.
    :raises SubmissionChangedError: When an earlier try has submitted another description.
    :raises JobStateUnknownError: When it cannot be found out what became of that job.
    :raises SubmissionRecordError: When what earlier tries have noted cannot be read, or nothing can be noted.
    """
    digest = digest_of({"Job": description, "Placement": placement})
    last = store.load()
    identity = hook.identify(last.identity if last else None) if store.is_durable else None
    if last is not None and (moved := moved_from(last, identity)):
        _leave_behind(hook, last, moved, on_changed_job)
        step, identity = SubmitDecision.SUBMIT_ANEW, hook.identify()
    else:
        step = _decide(hook, store, last, digest, on_changed_job)
    if step in (SubmitDecision.REATTACH, SubmitDecision.RETURN) and last is not None and last.job_id is not None:
        on_job(last.job_id)
        hook.log.info("Found job %s of an earlier try; nothing is submitted", last.job_id)
        return store.found(last, identity), last.job_id
    check()
    if last is None or step is SubmitDecision.SUBMIT_ANEW:
        last = store.intend(last.number + 1 if last else 1, digest, identity)
    elif last.was_refused:
        last = store.intend(last.number, digest, identity)
    name = printable(description.get("JobName"), 200)
    hook.log.info("Submitting job '%s', submission %d of this task", name, last.number)
    try:
        job_id = hook.submit_job(description, placement, last.token)
    except (ConfigurationError, ApiParameterError, ApiQuotaError, ApiRefusedError, ApiThrottledError):
        store.refused(last)
        raise
    except BaseException:
        # A time-out of the task or its end, too, may come while the call is made.
        hook.log.error("Whether the job was submitted is not known: a retry of this task gets it, if there is one")
        raise
    on_job(job_id)
    hook.log.info("Submitted job %s in %s", job_id, hook.access.region)
    return store.submitted(last, job_id), job_id


def _leave_behind(hook: BatchHook, submission: Submission, moved: list[str], on_changed_job: OnChangedJob) -> None:
    """Refuse to submit here what an earlier try has submitted elsewhere, unless that is what was asked for."""
    job, points = submission.job_id or "a job whose id is not known", "; ".join(moved)
    if on_changed_job == "fail":
        raise IdentityChangedError(
            f"An earlier try has submitted {job} elsewhere, where it may still run: {points}. Nothing was submitted: "
            f"change the connection and the region back, or set on_changed_job='submit' to submit the job here as well"
        )
    hook.log.warning("Submitting anew, while %s of an earlier try may still run elsewhere: %s", job, points)


def _decide(
    hook: BatchHook, store: SubmissionStore, last: Submission | None, digest: str, on_changed_job: OnChangedJob
) -> SubmitDecision:
    state = _state_of(hook, last)
    if last is not None and store.was_cleared(last):
        state = _end_cleared(hook, last, state)
    step = decide(last, state, digest, on_changed_job)
    if step is SubmitDecision.REFUSE and last is not None:
        raise SubmissionChangedError(
            f"An earlier try has submitted another job description ({last.job_id or 'its job id is not known'}): "
            f"change it back, clear the task's state, or set on_changed_job='submit'"
        )
    return step


def _end_cleared(hook: BatchHook, submission: Submission, state: str | None) -> str | None:
    """End the job of a wait that a user has ended by clearing the task, and return its state."""
    # The triggerer may come later than this try, or not at all.
    known = find_job_state(state) if state else None
    if submission.job_id is None or state is None or (known is not None and known.is_settled):
        return state
    report = hook.terminate_job(submission.job_id)
    hook.log.info("The task was cleared while it waited: %s", report)
    state = _state_of(hook, submission)
    known = find_job_state(state) if state else None
    if known is not None and not known.is_settled:
        raise JobStateUnknownError(
            f"The task was cleared while it waited for job {submission.job_id}, which must have ended before another "
            f"one is submitted; nothing was submitted: {report}"
        )
    return state


def _state_of(hook: BatchHook, submission: Submission | None) -> str | None:
    """Return the state of an earlier try's job; None only when the API surely does not know it."""
    if submission is None or submission.job_id is None:
        return None
    if submission.final_state is not None:
        return submission.final_state
    try:
        return hook.get_lasting_job_state(submission.job_id)
    except CloudError as error:
        raise JobStateUnknownError(
            f"Cannot find out what became of job {submission.job_id}, which an earlier try has submitted; nothing was "
            f"submitted: {error}"
        ) from error
