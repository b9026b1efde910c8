# SPDX-License-Identifier: Apache-2.0
"""What a starting try does about an earlier one."""

from __future__ import annotations

from datetime import date

import pytest

from airflow_batch_events.submission.decision import SubmitDecision, decide, digest_of, moved_from
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import Submission

HERE = Identity("ap-guangzhou", "", "AKIDfirst", "1250000001")


THERE = Identity("ap-shanghai", "", "AKIDfirst", "1250000001")


INTENT = Submission(1, "token", "digest")


SUBMITTED = INTENT.with_job("job-1")


@pytest.mark.parametrize(
    ("submission", "job_state", "step"),
    [
        (None, None, SubmitDecision.SUBMIT),
        (INTENT, None, SubmitDecision.SUBMIT),
        (SUBMITTED, "SUBMITTED", SubmitDecision.REATTACH),
        (SUBMITTED, "RUNNING", SubmitDecision.REATTACH),
        (SUBMITTED, "A_STATE_OF_TOMORROW", SubmitDecision.REATTACH),
        (SUBMITTED, "SUCCEED", SubmitDecision.RETURN),
        (SUBMITTED, "FAILED", SubmitDecision.SUBMIT_ANEW),
        (SUBMITTED, "FAILED_INTERRUPTED", SubmitDecision.SUBMIT_ANEW),
        (SUBMITTED, None, SubmitDecision.SUBMIT_ANEW),
        # The API has refused an earlier description, so nothing of it can run.
        (Submission(1, "token", ""), None, SubmitDecision.SUBMIT),
    ],
)
def test_what_a_starting_try_does(submission, job_state, step):
    assert decide(submission, job_state, "digest", "fail") is step


@pytest.mark.parametrize(
    ("submission", "job_state", "on_changed_job", "step"),
    [
        (SUBMITTED, "RUNNING", "fail", SubmitDecision.REFUSE),
        (SUBMITTED, "RUNNING", "submit", SubmitDecision.SUBMIT_ANEW),
        (SUBMITTED, "SUCCEED", "fail", SubmitDecision.REFUSE),
        (SUBMITTED, "SUCCEED", "submit", SubmitDecision.SUBMIT_ANEW),
        (SUBMITTED, "FAILED", "fail", SubmitDecision.SUBMIT_ANEW),
        (INTENT, None, "fail", SubmitDecision.REFUSE),
        (INTENT, None, "submit", SubmitDecision.SUBMIT_ANEW),
    ],
)
def test_a_changed_description_never_gets_the_old_job_s_result(submission, job_state, on_changed_job, step):
    assert decide(submission, job_state, "another digest", on_changed_job) is step


def test_the_digest_does_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_the_digest_of_a_description_stays_what_it_is():
    # With another digest each task would find its description changed after an upgrade.
    stays = "0b384488a37844afa13d2b7405b69e4e59ecb7533b2cdd027c5ccd0d044b21b9"
    assert digest_of({"b": [2, "\u00e9"], "a": {"c": None, "d": 1.5}}) == stays


def test_a_description_with_something_that_is_no_json_has_a_digest():
    assert digest_of({"a": date(2026, 1, 1)}) == digest_of({"a": "2026-01-01"})


@pytest.mark.parametrize(
    ("submission", "is_elsewhere"),
    [
        (None, False),
        (Submission(1, "t", "d", job_id="job-1"), False),
        (Submission(1, "t", "d", job_id="job-1", identity=THERE), True),
        (Submission(1, "t", "d", identity=THERE), True),
        (Submission(1, "t", "d", job_id="job-1", final_state="SUCCEED", identity=THERE), True),
        (Submission(1, "t", "d", job_id="job-1", final_state="FAILED", identity=THERE), False),
        (Submission(1, "t", "", identity=THERE), False),
        (Submission(1, "t", "d", job_id="job-1", identity=HERE), False),
    ],
    ids=["nothing", "of 0.1.0", "a job", "an intent", "succeeded", "failed", "refused", "here"],
)
def test_only_what_may_have_a_job_that_counts_is_anywhere(submission, is_elsewhere):
    assert bool(moved_from(submission, HERE)) == is_elsewhere
