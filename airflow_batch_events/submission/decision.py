# SPDX-License-Identifier: Apache-2.0
"""
What a starting try does about what an earlier one has submitted. Pure: it is told what the record and the API say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from airflow_batch_events.events.catalog import JobState, find_job_state
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import Submission

OnChangedJob = Literal["fail", "submit"]


class SubmitDecision(Enum):
    """What to do on start."""

    SUBMIT = "submit"
    REATTACH = "reattach"
    RETURN = "return"
    SUBMIT_ANEW = "submit anew"
    REFUSE = "refuse"


def decide(
    submission: Submission | None, job_state: str | None, digest: str, on_changed_job: OnChangedJob
) -> SubmitDecision:
    """
    Say what a starting try does.

    :param submission: What the state store holds.
    :param job_state: The state of the submission's job; None when the API does not know the job (any more).
    :param digest: The digest of the job description of this try.
    :param on_changed_job: What to do when the description has changed while a job of the old one may be running or has
        succeeded: ``fail``, or ``submit`` the new one beside it.
    """
    if submission is None:
        return SubmitDecision.SUBMIT
    has_changed = submission.digest not in ("", digest)
    if submission.job_id is None:
        if has_changed:
            # Under the same token it could be answered with a job of the old description, under another one the work
            # could run twice.
            return SubmitDecision.REFUSE if on_changed_job == "fail" else SubmitDecision.SUBMIT_ANEW
        # The same token is sent again: the cloud answers with the same job, if there is one.
        return SubmitDecision.SUBMIT
    state = find_job_state(job_state) if job_state else None
    if job_state is None or state in (JobState.FAILED, JobState.FAILED_INTERRUPTED):
        return SubmitDecision.SUBMIT_ANEW
    if has_changed:
        return SubmitDecision.REFUSE if on_changed_job == "fail" else SubmitDecision.SUBMIT_ANEW
    return SubmitDecision.RETURN if state is JobState.SUCCEED else SubmitDecision.REATTACH


def moved_from(submission: Submission | None, now: Identity | None) -> list[str]:
    """
    Say in which points a try would search for an earlier submission in the wrong place; nothing when it would not.

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
