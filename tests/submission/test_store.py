# SPDX-License-Identifier: Apache-2.0
"""The record in the state store, and the stores that do not answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from submission.state_store import Away, Store, context, holding, stored

from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.decision import SubmitDecision, decide, moved_from
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import STATE_KEY, Submission
from airflow_batch_events.submission.store import SubmissionStore

HERE = Identity("ap-guangzhou", "", "AKIDfirst", "1250000001")
STORED = Path(__file__).parents[1] / "stored" / "0.1.0"


def test_after_a_refusal_another_description_may_be_sent():
    store = Store()
    kept = SubmissionStore(context(store))
    kept.refused(kept.intend(1, "digest"))
    loaded = SubmissionStore(context(store, try_number=2)).load()
    assert decide(loaded, None, "another digest", "fail") is SubmitDecision.SUBMIT


def test_how_a_deleted_job_ended_is_remembered():
    store = Store()
    kept = SubmissionStore(context(store))
    kept.ended(kept.submitted(kept.intend(1, "digest"), "job-1"), "FAILED")
    loaded = SubmissionStore(context(store, try_number=2)).load()
    assert loaded is not None
    assert loaded.final_state == "FAILED"


def test_a_later_try_sends_the_same_token_as_the_one_that_died():
    store = Store()
    first = SubmissionStore(context(store)).intend(1, "digest")
    assert SubmissionStore(context(store, try_number=2)).load() == first


def test_the_job_id_is_remembered_between_tries():
    store = Store()
    tried = SubmissionStore(context(store))
    tried.submitted(tried.intend(1, "digest"), "job-1")
    loaded = SubmissionStore(context(store, try_number=2)).load()
    assert loaded is not None
    assert loaded.job_id == "job-1"


def test_without_durability_each_try_submits_a_job_of_its_own():
    store = Store()
    tokens = {SubmissionStore(context(store, number), durable=False).intend(1, "digest").token for number in (1, 2)}
    assert len(tokens) == 2
    assert store.data == {}


@pytest.mark.parametrize("path", sorted(STORED.glob("submission_*.json")), ids=lambda path: path.stem)
def test_a_record_of_0_1_0_is_read_and_completed(path):
    store = holding(json.loads(path.read_text()))
    kept = SubmissionStore(context(store))
    submission = kept.load()
    assert submission.identity is None
    assert moved_from(submission, HERE) == []
    kept.found(submission, HERE)
    again = SubmissionStore(context(store)).load()
    assert again.identity == HERE
    assert (again.token, again.job_id, again.digest) == (submission.token, submission.job_id, submission.digest)


def test_there_are_records_of_0_1_0():
    assert len(list(STORED.glob("submission_*.json"))) == 5


def test_version_0_1_0_finds_its_fields_in_a_new_record():
    store = Store()
    SubmissionStore(context(store)).intend(1, "digest", HERE)
    assert {"number", "token", "digest", "job_id", "final_state", "waited_under"} <= store.data[STATE_KEY].keys()


@pytest.mark.parametrize("change", ["waits", "submitted", "found", "ended", "resumed"])
def test_fields_of_a_later_version_are_kept(change):
    identity = {"region": "ap-guangzhou", "endpoint": "", "key_id": "AKIDfirst", "account": "", "site": "intl"}
    store = holding(stored(job_id="job-1", waited_under=1, identity=identity, cost=3))
    kept = SubmissionStore(context(store))
    submission = kept.load()
    {
        "waits": lambda: kept.waits(submission),
        "submitted": lambda: kept.submitted(submission, "job-2"),
        "found": lambda: kept.found(submission, HERE),
        "ended": lambda: kept.ended(submission, "FAILED"),
        "resumed": kept.resumed,
    }[change]()
    saved = store.data[STATE_KEY]
    assert saved["cost"] == 3
    assert saved["identity"]["site"] == "intl"
    assert saved["identity"]["account"] == (HERE.account if change == "found" else "")


def test_a_new_submission_takes_over_nothing_of_the_one_before():
    store = holding(stored(cost=3))
    kept = SubmissionStore(context(store))
    kept.load()
    kept.intend(2, "digest", HERE)
    assert "cost" not in store.data[STATE_KEY]


def test_a_store_that_cannot_be_read_ends_the_try():
    with pytest.raises(SubmissionRecordError, match=r"\(ConnectionError\)\. Nothing was submitted") as caught:
        SubmissionStore(context(Away(writes=True))).load()
    assert "hunter2" not in str(caught.value)


def test_an_intent_that_cannot_be_written_ends_the_try():
    with pytest.raises(SubmissionRecordError, match="run the task again when the store answers"):
        SubmissionStore(context(Away(reads=True))).intend(1, "digest", HERE)


def test_a_failed_write_after_the_submission_changes_nothing():
    kept = SubmissionStore(context(Away(reads=True)))
    submission = kept.submitted(Submission(1, "token", "digest"), "job-1")
    assert submission.job_id == "job-1"
    assert kept.waits(submission).job_id == "job-1"
    kept.refused(submission)
    kept.resumed()


def test_the_end_of_a_wait_does_not_depend_on_the_record():
    SubmissionStore(context(Away())).resumed()
    SubmissionStore(context(holding("odd"))).resumed()


def test_without_durability_a_store_that_is_away_is_not_asked():
    kept = SubmissionStore(context(Away()), durable=False)
    assert kept.load() is None
    kept.submitted(kept.intend(1, "digest"), "job-1")
