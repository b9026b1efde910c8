# SPDX-License-Identifier: Apache-2.0
"""How a wait ended, through JSON and from other versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.events.outcomes.job_outcome import Outcome, count_of, text_or_none

FAILED = Outcome(
    "job-1",
    "FAILED",
    succeeded=False,
    event_name="JOB_FAILED",
    event_time="2026-01-01T00:00:00Z",
    event_vars={"shard": "7"},
    reason="no input",
    source="event",
    failure=Failure("job-1", "FAILED", "exit_code", "main", 0, 2, "read", "no input"),
    queued_seconds=2.0,
    running_seconds=30.5,
    instances=4,
)


@pytest.mark.parametrize("outcome", [FAILED, Outcome("job-1", "SUCCEED", succeeded=True)])
def test_an_outcome_survives_being_stored_as_json(outcome: Outcome) -> None:
    assert Outcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


@pytest.mark.parametrize(
    "data", [{"status": "done"}, {"job_id": "job-1"}, {"job_id": 7, "state": "SUCCEED"}, "x", None]
)
def test_what_is_not_an_outcome_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="not the outcome of a wait"):
        Outcome.from_dict(data)


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({"state": "SUCCEED", "exit_code": 0}, Outcome("job-1", "SUCCEED", succeeded=True)),
        ({"state": "FAILED", "source": "api"}, Outcome("job-1", "FAILED", succeeded=False, source="api")),
        ({"state": "FAILED", "source": "look"}, Outcome("job-1", "FAILED", succeeded=False, source="api")),
        ({"state": "FAILED", "source": "oracle"}, Outcome("job-1", "FAILED", succeeded=False, source="oracle")),
        ({"state": "FAILED", "succeeded": "no"}, Outcome("job-1", "FAILED", succeeded=False)),
        (
            {"state": "FAILED", "event_vars": [], "event_time": 7, "reason": {}},
            Outcome("job-1", "FAILED", succeeded=False, event_time="7", reason="{}"),
        ),
        (
            {"state": "FAILED", "failure": "?", "queued_seconds": "2", "instances": True},
            Outcome("job-1", "FAILED", succeeded=False),
        ),
        ({"state": "SUCCEED", "queued_seconds": 2}, Outcome("job-1", "SUCCEED", succeeded=True, queued_seconds=2.0)),
    ],
)
def test_an_outcome_of_another_version_is_read(data: dict[str, Any], outcome: Outcome) -> None:
    """Unknown fields are ignored, missing ones have a default, a source that is not known is kept."""
    assert Outcome.from_dict({"job_id": "job-1", **data}) == outcome


def test_times_that_are_told_are_not_replaced() -> None:
    times = JobTimes(created=100.0, began=110.0, ended=150.0, instances=9)
    assert FAILED.with_times(times) == FAILED
    bare = Outcome("job-1", "FAILED", succeeded=False).with_times(times)
    assert (bare.queued_seconds, bare.running_seconds, bare.instances) == (10.0, 40.0, 9)


def test_fields_of_another_version_are_read_as_their_type() -> None:
    assert [count_of(value) for value in (3, True, "3", None)] == [3, None, None, None]
    assert [text_or_none(value) for value in ("x", 7, None)] == ["x", "7", None]


FULL: dict[str, Any] = {
    "job_id": "job-1",
    "state": "FAILED",
    "succeeded": False,
    "event_name": "JOB_FAILED",
    "event_time": "2026-01-01T00:00:10Z",
    "event_vars": {"k": "v"},
    "reason": "why",
    "source": "event",
    "failure": {
        "job_id": "job-1",
        "state": "FAILED",
        "cause": "exit_code",
        "task_name": "main",
        "instance": 3,
        "exit_code": 7,
        "stdout": "out",
        "stderr": "err",
    },
    "queued_seconds": 1.5,
    "running_seconds": 60.0,
    "instances": 4,
}


def test_the_fields_of_an_outcome_are_those_that_dags_read() -> None:
    assert Outcome.from_dict(FULL).to_dict() == FULL


@pytest.mark.parametrize(
    ("field", "odd", "read"),
    [
        ("source", "look", "api"),
        ("source", None, "api"),
        ("source", "moon", "moon"),
        ("queued_seconds", 3, 3.0),
        ("queued_seconds", True, None),
        ("running_seconds", "60", None),
        ("instances", True, None),
        ("instances", "4", None),
        ("instances", 4.0, None),
        ("failure", None, None),
        ("succeeded", 1, False),
        ("succeeded", True, True),
    ],
)
def test_a_field_of_another_version_is_read_or_defaulted(field: str, odd: object, read: object) -> None:
    assert Outcome.from_dict({**FULL, field: odd}).to_dict() == {**FULL, field: read}


def test_what_is_no_outcome_is_told_by_its_type() -> None:
    with pytest.raises(ValueError, match=r"^not the outcome of a wait: a list$"):
        Outcome.from_dict([])
