# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from submission.state_store import stored

from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.record import (
    VERSION,
    Submission,
    client_token,
    read_record,
    with_unknown_fields,
)


@given(st.text(max_size=250), st.text(max_size=250), st.text(max_size=250), st.integers(-1, 10_000), st.integers(1, 99))
def test_a_token_is_what_the_api_takes(dag_id, task_id, run_id, map_index, number):
    token = client_token(dag_id, task_id, run_id, map_index, number)
    assert token.isascii()
    assert len(token) <= 64


def test_a_token_stays_what_it_is():
    # Under another token a job that runs is submitted a second time.
    token = client_token("dag", "task", "run", -1, 1)
    assert token == "8028014d9fa952fb344ac29477b87c2d2e30080b8b4c43a19ef0cfcf13b735e9"


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
def test_an_unreadable_record_is_an_error_with_a_way_out(data):
    with pytest.raises(SubmissionRecordError, match=r"Nothing was submitted.*start a new DAG run, or delete"):
        read_record(data)


def test_a_record_that_cannot_be_read_is_not_quoted():
    with pytest.raises(SubmissionRecordError) as caught:
        read_record(stored(job_id={"password": "hunter2"}))
    assert "hunter2" not in str(caught.value)


def test_a_schema_of_another_version_is_named():
    with pytest.raises(SubmissionRecordError, match=rf"schema {VERSION + 1}; this one reads {VERSION}"):
        read_record(stored(version=VERSION + 1))


def test_a_record_is_read_as_it_was_stored():
    record = Submission(2, "t", "d", identity=Identity("r", "", "AKID"), failure={"cause": "exit_code"})
    assert read_record(stored(number=2, token="t", digest="d", **FACTS)) == record
    assert record.with_job("job-1") == Submission(
        2, "t", "d", "job-1", identity=record.identity, failure=record.failure
    )


FACTS = {"identity": {"region": "r", "endpoint": "", "key_id": "AKID"}, "failure": {"cause": "exit_code"}}


def test_a_record_of_the_first_version_has_no_number_of_its_schema():
    data = stored()
    data.pop("version", None)
    assert read_record(data).version == VERSION


def test_what_another_version_has_added_is_kept():
    old = {"number": 1, "job_id": "job-1", "mood": "good", "identity": {"region": "r", "planet": "earth"}}
    new = {"number": 2, "job_id": None, "identity": {"region": "s"}}
    assert with_unknown_fields(old, new) == {
        "number": 2,
        "job_id": None,
        "mood": "good",
        "identity": {"region": "s", "planet": "earth"},
    }


@pytest.mark.parametrize(("before", "after"), [(None, {"region": "s"}), ({"region": "r"}, None)])
def test_an_identity_that_only_one_record_has_stays_as_it_is(before, after):
    assert with_unknown_fields({"identity": before}, {"identity": after}) == {"identity": after}
