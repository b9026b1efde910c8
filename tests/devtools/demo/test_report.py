# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from devtools.demo.expectations import ExpectedRun, expected_runs
from devtools.demo.report import RunRecord, make_row, read_ended_by

ARRIVED = datetime(2026, 1, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.fixture
def success() -> ExpectedRun:
    return expected_runs(20, "sleep 1")[0]


@pytest.fixture
def fan_out() -> ExpectedRun:
    return expected_runs(3, "sleep 1")[3]


def outcome(state: str = "SUCCEED", job_id: str = "job-1", source: str = "event") -> dict[str, Any]:
    return {"job_id": job_id, "state": state, "source": source}


def task(task_id: str, state: str, start: str | None = "2026-01-01T12:00:02.500000Z") -> dict[str, Any]:
    return {"task_id": task_id, "state": state, "start_date": start, "map_index": -1}


TASKS = [task("submit", "success"), task("branch", "success"), task("publish_result", "success")]
RIGHT = RunRecord(state="success", tasks=[*TASKS, task("raise_alarm", "skipped", None)], outcomes=[outcome()])


def test_an_expected_result_has_no_problem(success: ExpectedRun) -> None:
    row = make_row(success, RIGHT, {"job-1": ARRIVED})

    assert (row.run, row.job, row.outcome, row.ended_by) == ("success", "job-1", "SUCCEED", "event")
    assert (row.branch, row.seconds, row.problems) == ("publish_result", 2.5, ())


def test_a_wait_that_a_poll_ends_is_a_problem(success: ExpectedRun) -> None:
    record = replace(RIGHT, outcomes=[outcome(source="api")])

    row = make_row(success, record, {"job-1": ARRIVED})

    assert row.ended_by == "api"
    assert row.seconds == 2.5
    assert row.problems == ("1 of 1 waits were not ended by event",)


def test_the_wrong_branch_is_a_problem(success: ExpectedRun) -> None:
    record = replace(RIGHT, tasks=[task("publish_result", "skipped"), task("raise_alarm", "success")])

    assert make_row(success, record, {}).problems == ("went to raise_alarm instead of publish_result",)


def test_both_branches_are_a_problem(success: ExpectedRun) -> None:
    record = replace(RIGHT, tasks=[task("publish_result", "success"), task("raise_alarm", "success")])

    assert make_row(success, record, {}).problems == ("went to publish_result, raise_alarm instead of publish_result",)


def test_the_wrong_outcome_is_a_problem(success: ExpectedRun) -> None:
    record = replace(RIGHT, outcomes=[outcome("FAILED")])

    assert make_row(success, record, {}).problems == ("ended FAILED instead of SUCCEED",)


def test_an_early_failure_says_where(success: ExpectedRun) -> None:
    record = RunRecord("failed", [task("submit", "failed"), task("branch", "upstream_failed", None)], outcomes=[])

    row = make_row(success, record, {})

    assert row.problems[0] == "the run is failed (branch, submit)"
    assert row.problems[1:] == ("0 of 1 jobs have an outcome", "went to no branch instead of publish_result")
    assert (row.outcome, row.branch) == ("none", "none")


def test_a_fan_out_counts_its_jobs(fan_out: ExpectedRun) -> None:
    outcomes = [outcome(job_id="a"), outcome(job_id="b"), outcome(job_id="c", source="api")]
    arrivals = {"a": ARRIVED.replace(second=1), "b": ARRIVED, "c": ARRIVED.replace(second=2)}

    row = make_row(fan_out, RunRecord("success", [task("gather", "success")], outcomes), arrivals)

    assert (row.job, row.outcome, row.ended_by) == ("3 jobs", "3 SUCCEED", "2 event, 1 api")
    assert row.seconds == 0.5
    assert row.problems == ("1 of 3 waits were not ended by event",)


def test_a_repeated_outcome_hides_no_missing_one(fan_out: ExpectedRun) -> None:
    outcomes = [outcome(job_id="a"), outcome(job_id="b"), outcome(job_id="b")]

    row = make_row(fan_out, RunRecord("success", [task("gather", "success")], outcomes), {})

    assert row.problems == ("2 of 3 jobs have an outcome",)


def test_the_log_says_what_ended_the_jobs_of_one_task(fan_out: ExpectedRun) -> None:
    log = "ended by the user\n2 ended, 9 a second, ended by event 2\n3 ended, 9 a second, ended by event 2, api 1\n"
    outcomes = [{"job_id": job_id, "state": "SUCCEED"} for job_id in "abc"]
    record = RunRecord("success", [task("gather", "success")], outcomes, ended_by=read_ended_by(log))

    row = make_row(fan_out, record, {})

    assert row.ended_by == "2 event, 1 api"
    assert row.problems == ("1 of 3 waits were not ended by event",)
    assert make_row(fan_out, replace(record, ended_by=read_ended_by("")), {}).ended_by == "none"
