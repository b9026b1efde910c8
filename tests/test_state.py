# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.state import Step, Submission, SubmissionStore, client_token, decide, digest_of

INTENT = Submission(1, "token", "digest")
SUBMITTED = INTENT.with_job("job-1")


@pytest.mark.parametrize(
    ("submission", "job_state", "step"),
    [
        (None, None, Step.SUBMIT),
        (INTENT, None, Step.SUBMIT),
        (SUBMITTED, "SUBMITTED", Step.REATTACH),
        (SUBMITTED, "RUNNING", Step.REATTACH),
        (SUBMITTED, "A_STATE_OF_TOMORROW", Step.REATTACH),
        (SUBMITTED, "SUCCEED", Step.RETURN),
        (SUBMITTED, "FAILED", Step.SUBMIT_ANEW),
        (SUBMITTED, "FAILED_INTERRUPTED", Step.SUBMIT_ANEW),
        (SUBMITTED, None, Step.SUBMIT_ANEW),
    ],
)
def test_what_a_starting_try_does(submission, job_state, step):
    assert decide(submission, job_state, "digest", "fail") is step


@pytest.mark.parametrize(
    ("submission", "job_state", "on_changed_job", "step"),
    [
        (SUBMITTED, "RUNNING", "fail", Step.REFUSE),
        (SUBMITTED, "RUNNING", "submit", Step.SUBMIT_ANEW),
        (SUBMITTED, "SUCCEED", "fail", Step.REFUSE),
        (SUBMITTED, "SUCCEED", "submit", Step.SUBMIT_ANEW),
        (SUBMITTED, "FAILED", "fail", Step.SUBMIT_ANEW),
        (INTENT, None, "fail", Step.REFUSE),
    ],
)
def test_a_changed_description_never_gets_the_old_job_s_result(submission, job_state, on_changed_job, step):
    assert decide(submission, job_state, "another digest", on_changed_job) is step


def test_after_a_refusal_another_description_may_be_sent():
    store = Store()
    kept = SubmissionStore(context(store))
    kept.refused(kept.intend(1, "digest"))
    loaded = SubmissionStore(context(store, try_number=2)).load()
    assert decide(loaded, None, "another digest", "fail") is Step.SUBMIT


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
