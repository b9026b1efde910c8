# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.items import MAX_JOBS, Item
from airflow_batch_events.events.many.result import MAX_FAILED, ends_since, failure_text, outcomes_of, summary_of

ITEMS = [
    Item(1, "job-1", "SUCCEED"),
    Item(),
    Item(1, "job-3", "FAILED"),
    Item(1, None, "REFUSED", "bad image\n" + "x" * 1_000),
    Item(1, "job-5"),
]


def test_outcomes_are_small_and_in_order():
    outcomes = outcomes_of(ITEMS)
    assert outcomes[:3] == [
        {"job_id": "job-1", "state": "SUCCEED"},
        {"job_id": None, "state": "NOT_SUBMITTED"},
        {"job_id": "job-3", "state": "FAILED", "cause": "unknown"},
    ]
    assert outcomes[3]["reason"].startswith("bad image\\nxx")
    assert len(outcomes[3]["reason"]) == 200
    assert outcomes[4]["state"] == "RUNNING"


def test_ten_thousand_outcomes_fit_an_xcom():
    items = [Item(1, f"job-{n:08d}", "SUCCEED") for n in range(MAX_JOBS)]
    assert len(json.dumps(outcomes_of(items))) < 512 * 1024
    assert len(json.dumps(summary_of(items))) < 200


def test_the_summary_names_the_first_that_did_not_succeed():
    summary = summary_of(ITEMS)
    assert (summary["total"], summary["succeeded"]) == (5, 1)
    assert summary["states"] == {"FAILED": 1, "NOT_SUBMITTED": 1, "REFUSED": 1, "RUNNING": 1, "SUCCEED": 1}
    assert [one["index"] for one in summary["failed"]] == [2, 3, 1, 4]
    many = summary_of([Item(1, "job-1", "FAILED")] * 500)
    assert len(many["failed"]) == MAX_FAILED


READ = Item(1, "job-6", "FAILED", "no input", facts=JobFacts("exit_code", "main", 0, 2, (2,)))


def test_a_job_that_was_read_has_its_facts_and_comes_first():
    summary = summary_of([*ITEMS, READ, Item(1, "job-7", "FAILED", facts=JobFacts("terminated"))])
    assert summary["causes"] == {"unknown": 2, "exit_code": 1, "terminated": 1}
    assert summary["failed"][0] == {
        "index": 5,
        "job_id": "job-6",
        "state": "FAILED",
        "cause": "exit_code",
        "task_name": "main",
        "instance": 0,
        "exit_code": 2,
        "reason": "no input",
    }
    assert [one["index"] for one in summary["failed"]] == [5, 2, 3, 6, 1, 4]


@pytest.mark.parametrize(("state", "cause"), [("TIMEOUT", "timeout"), ("NOT_FOUND", "deleted"), ("REFUSED", "unknown")])
def test_a_state_tells_a_cause_where_nothing_was_read(state, cause):
    (outcome,) = outcomes_of([Item(1, "job-1", state)])
    assert outcome["cause"] == cause


def test_an_error_counts_the_causes_that_are_known():
    text = failure_text([Item(1, "job-1", "FAILED"), READ], None)
    assert text == (
        "0 of 2 jobs succeeded; 2 FAILED. Causes: unknown 1, exit_code 1. "
        "jobs[1] job-6 FAILED: no input; jobs[0] job-1 FAILED"
    )


def test_an_error_names_counts_and_the_first_failures():
    text = failure_text(ITEMS, "2 jobs have failed, and 1 may")
    assert text.startswith("1 of 5 jobs succeeded; 1 FAILED, 1 NOT_SUBMITTED, 1 REFUSED, 1 RUNNING (2 jobs have")
    assert "jobs[2] job-3 FAILED; jobs[3] was not submitted REFUSED: bad image" in text
    assert failure_text([Item(1, "job-1", "FAILED")] * 7, None).endswith("FAILED; and 2 more")


def test_an_error_tells_all_failures_that_it_names():
    failed = [Item(1, "job-1", "FAILED")] * 5
    assert failure_text(failed, None) == "0 of 5 jobs succeeded; 5 FAILED. " + "; ".join(
        f"jobs[{number}] job-1 FAILED" for number in range(5)
    )


def test_a_long_reason_of_the_run_is_cut():
    assert len(failure_text([Item(1, "job-1", "SUCCEED")], "x" * 1_000)) == len("1 of 1 jobs succeeded;  ()") + 500


def test_only_what_has_ended_since_is_counted():
    before = [Item(1, "job-1", "SUCCEED"), Item(2), Item(1, "job-3"), Item(1, "job-4"), Item(), Item()]
    now = [
        Item(1, "job-1", "SUCCEED"),
        Item(2, "job-5", "SUCCEED"),
        READ,
        Item(1, "job-4"),
        Item(1, "job-6", "TIMEOUT"),
        Item(1, "job-7", "TIMEOUT"),
    ]
    assert ends_since(before, now) == {("SUCCEED", None): 1, ("FAILED", "exit_code"): 1, ("TIMEOUT", "timeout"): 2}
