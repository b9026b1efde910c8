# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.decision import SubmitDecision, decide, digest_of, moved_from
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import STATE_KEY, VERSION, Submission, client_token
from airflow_batch_events.submission.store import SubmissionStore

STORED = Path(__file__).parents[1] / "stored" / "0.1.0"
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


class Store:
    """Airflow's task state store, as far as it is used: a mapping that outlives the try."""

    def __init__(self):
        self.data = {}

    def get(self, key, default=None):
        return self.data.get(key, default)

    def set(self, key, value):
        self.data[key] = value


def context(store, try_number=1):
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number)
    return {"ti": ti, "task_state_store": store}


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


@given(st.text(max_size=250), st.text(max_size=250), st.text(max_size=250), st.integers(-1, 10_000), st.integers(1, 99))
def test_a_token_is_what_the_api_takes(dag_id, task_id, run_id, map_index, number):
    token = client_token(dag_id, task_id, run_id, map_index, number)
    assert token.isascii()
    assert len(token) <= 64


def test_no_two_instances_share_a_token():
    tokens = {
        client_token(*identity)
        for identity in [
            ("a", "bc", "r", -1, 1),
            ("ab", "c", "r", -1, 1),
            ("a", "bc", "r", -1, 2),
            ("a", "bc", "r", 1, 1),
            ("a", "bc", "r2", -1, 1),
        ]
    }
    assert len(tokens) == 5


def test_the_digest_does_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


# What an earlier version, a later one, or somebody else has stored.


def stored(**fields):
    return {"number": 1, "token": "t", "digest": "d", **fields}


def holding(data):
    store = Store()
    store.data[STATE_KEY] = data
    return store


@pytest.mark.parametrize("path", sorted(STORED.glob("submission_*.json")), ids=lambda path: path.stem)
def test_a_record_of_0_1_0_is_read_and_completed_when_its_job_is_found(path):
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


def test_a_record_with_an_identity_is_read_by_0_1_0_which_takes_what_it_knows():
    store = Store()
    SubmissionStore(context(store)).intend(1, "digest", HERE)
    assert {"number", "token", "digest", "job_id", "final_state", "waited_under"} <= store.data[STATE_KEY].keys()


@pytest.mark.parametrize(
    "data",
    [
        "job-1",
        [],
        ["number", 1],
        7,
        True,
        {},
        stored(number="1"),
        stored(number=0),
        stored(number=-1),
        stored(number=True),
        stored(number=None),
        stored(token=None),
        stored(token=""),
        stored(token="t" * 65),
        stored(digest=None),
        stored(job_id=7),
        stored(job_id=""),
        stored(job_id=["job-1"]),
        stored(final_state=7),
        stored(waited_under="1"),
        stored(identity="me"),
        stored(identity={}),
        stored(identity={"region": 1, "endpoint": "", "key_id": ""}),
        stored(version="1"),
        stored(version=None),
        stored(version=True),
        stored(version=0),
        stored(version=VERSION + 1),
        {"version": VERSION + 1},
    ],
    ids=repr,
)
def test_a_record_that_cannot_be_read_is_an_error_with_a_way_out_and_is_never_taken_for_none(data):
    with pytest.raises(SubmissionRecordError, match=r"Nothing was submitted.*start a new DAG run, or delete"):
        SubmissionStore(context(holding(data))).load()


def test_a_record_that_cannot_be_read_is_not_quoted():
    with pytest.raises(SubmissionRecordError) as caught:
        SubmissionStore(context(holding(stored(job_id={"password": "hunter2"})))).load()
    assert "hunter2" not in str(caught.value)


def test_a_schema_of_another_version_is_named():
    with pytest.raises(SubmissionRecordError, match=rf"schema {VERSION + 1}; this one reads {VERSION}"):
        SubmissionStore(context(holding(stored(version=VERSION + 1)))).load()


@pytest.mark.parametrize("change", ["waits", "submitted", "found", "ended", "resumed"])
def test_fields_of_a_later_version_are_kept_when_the_record_is_saved_again(change):
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


class Away(Store):
    """A store that answers to reads or to writes only, or to neither."""

    def __init__(self, *, reads=False, writes=False):
        super().__init__()
        self._reads, self._writes = reads, writes

    def get(self, key, default=None):
        if not self._reads:
            raise ConnectionError("secret://user:hunter2@store")
        return super().get(key, default)

    def set(self, key, value):
        if not self._writes:
            raise RuntimeError("secret://user:hunter2@store")
        super().set(key, value)


def test_a_store_that_cannot_be_read_ends_the_try_before_anything_is_submitted():
    with pytest.raises(SubmissionRecordError, match=r"\(ConnectionError\)\. Nothing was submitted") as caught:
        SubmissionStore(context(Away(writes=True))).load()
    assert "hunter2" not in str(caught.value)


def test_an_intent_that_cannot_be_written_ends_the_try_before_anything_is_submitted():
    with pytest.raises(SubmissionRecordError, match="run the task again when the store answers"):
        SubmissionStore(context(Away(reads=True))).intend(1, "digest", HERE)


def test_what_cannot_be_written_after_the_submission_changes_nothing():
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


# Where it was submitted.


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
