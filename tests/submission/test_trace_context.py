# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_batch_events.submission.decision import digest_of
from airflow_batch_events.submission.record import client_token
from airflow_batch_events.submission.store import SubmissionStore
from airflow_batch_events.submission.tagged_store import TaggedSubmissionStore
from airflow_batch_events.submission.trace_context import from_token, is_traceparent, with_traceparent

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    "text", [None, 7, "", "x", f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", f"{TRACE}\n"]
)
def test_what_names_no_span_is_no_traceparent(text: object) -> None:
    assert not is_traceparent(text)
    assert with_traceparent({"Tasks": [{}]}, text) == {"Tasks": [{}]}


def test_each_task_of_a_job_gets_the_trace() -> None:
    job = {"JobName": "j", "Tasks": [{"TaskName": "a"}, {"TaskName": "b", "EnvVars": [{"Name": "X", "Value": "1"}]}]}
    traced = with_traceparent(job, TRACE)
    variable = {"Name": "TRACEPARENT", "Value": TRACE}
    assert [task["EnvVars"] for task in traced["Tasks"]] == [[variable], [{"Name": "X", "Value": "1"}, variable]]
    assert "EnvVars" not in job["Tasks"][0]


@pytest.mark.parametrize(
    "job",
    [
        {"Tasks": [{"EnvVars": [{"Name": "TRACEPARENT", "Value": "mine"}]}]},
        {"Tasks": "odd"},
        {"Tasks": ["odd", None]},
        {"Tasks": [{"EnvVars": "odd"}]},
        {},
    ],
)
def test_a_variable_of_the_user_s_own_wins_and_what_is_odd_stays(job: dict[str, Any]) -> None:
    assert with_traceparent(job, TRACE) == job


def context(**more: Any) -> dict[str, Any]:
    ti = type("TI", (), {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 1})()
    return {"ti": ti, **more}


class Store(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = value


def test_the_trace_of_a_submission_is_recorded_with_its_intent() -> None:
    kept = Store()
    SubmissionStore(context(task_state_store=kept)).intend(1, "digest", traceparent=TRACE)
    found = SubmissionStore(context(task_state_store=kept)).load()
    assert found is not None
    assert (found.traceparent, found.token) == (TRACE, client_token("d", "t", "r", -1, 1))


def test_where_nothing_is_recorded_each_try_has_the_same_trace() -> None:
    traces = {
        TaggedSubmissionStore(context(), lambda tags: []).intend(1, "digest", traceparent=trace).traceparent
        for trace in (TRACE, TRACE.replace("b" * 16, "c" * 16))
    }
    assert traces == {f"00-{'a' * 32}-{client_token('d', 't', 'r', -1, 1)[:16]}-01"}
    assert from_token(None, "0" * 64) is None


def test_a_trace_changes_no_digest() -> None:
    # What is compared between tries is the description without it.
    job = {"Tasks": [{"TaskName": "a"}]}
    before = digest_of({"Job": job})
    with_traceparent(job, TRACE)
    assert digest_of({"Job": job}) == before
