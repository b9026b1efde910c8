# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from submission.state_store import stored

from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.submission.record import VERSION, client_token, read_record


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
