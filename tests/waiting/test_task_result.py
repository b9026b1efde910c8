# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import (
    BatchEventsError,
    CloudError,
    CredentialsError,
    TransportError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.waiting.task_result import end_in, error_of, find_failure, outcomes_of, result_of

OUTCOME = Outcome("job-1", "SUCCEED", True, source="event")


def outcome(state: str) -> Outcome:
    return Outcome("job-1", state, state == "SUCCEED", source="api")


def test_outcomes_are_read_from_the_event():
    event = {"status": "ended", "job_id": ["job-1"], "outcomes": [OUTCOME.to_dict()]}
    assert outcomes_of(event) == [OUTCOME]


def test_an_error_is_raised_as_its_own_class():
    event = {"status": "error", "error": "QueueMissingError", "message": "queue 'q' does not exist"}
    with pytest.raises(WaitQueueNotFoundError, match="queue 'q' does not exist"):
        outcomes_of(event)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CredentialsError", CredentialsError),
        ("TransportError", TransportError),
        ("ApiThrottledError", CloudError),
        ("LaterError", BatchEventsError),
        ("BatchJobFailedError", BatchEventsError),
        ("annotations", BatchEventsError),
        (None, BatchEventsError),
        (["x"], BatchEventsError),
    ],
)
def test_an_error_of_any_version_is_the_nearest_class(name: Any, expected: type[Exception]) -> None:
    error = error_of({"status": "error", "error": name, "message": "no"})
    assert (type(error), str(error)) == (expected, "no")


def test_an_error_without_a_message_says_so():
    assert "has not said why" in str(error_of({}))


@pytest.mark.parametrize("outcomes", [None, "SUCCEED", {}, [None], ["x"], [{}], [{"job_id": 7, "state": "SUCCEED"}]])
def test_an_end_without_outcomes_is_a_clear_error(outcomes: Any) -> None:
    with pytest.raises(ValueError, match="outcome"):
        outcomes_of({"status": "ended", "outcomes": outcomes})


@pytest.mark.parametrize("found", [0, 1, 3])
def test_a_job_without_an_outcome_has_not_succeeded(found: int) -> None:
    with pytest.raises(ValueError, match=rf"the outcomes of {found} jobs, where 2 were waited for"):
        outcomes_of({"status": "ended", "outcomes": [OUTCOME.to_dict()] * found}, 2)


@pytest.mark.parametrize("event", [None, "success", {}, {"status": "running"}, {"status": "timeout"}, ["ended"]])
def test_an_event_that_is_not_ours_is_refused(event: Any) -> None:
    with pytest.raises(ValueError, match="something else"):
        end_in(event)


def test_a_wait_may_have_other_ends():
    event = {"status": "timeout", "events": []}
    assert end_in(event, statuses=("ended", "timeout")) == event


@pytest.mark.parametrize(
    ("states", "raises", "failed"),
    [
        (["SUCCEED"], True, None),
        (["SUCCEED", "FAILED"], True, "FAILED"),
        (["FAILED", "FAILED_INTERRUPTED"], False, None),
        (["FAILED", "NOT_FOUND"], False, "NOT_FOUND"),
        (["TIMEOUT"], False, "TIMEOUT"),
    ],
)
def test_a_job_without_a_result_always_fails_the_task(states: list[str], raises: bool, failed: str | None) -> None:
    failure = find_failure([outcome(state) for state in states], raise_on_failure=raises)
    assert (failure.state if failure else None) == failed


def test_a_list_of_jobs_has_a_list_of_results():
    assert result_of([OUTCOME], is_list=False) == OUTCOME.to_dict()
    assert result_of([OUTCOME], is_list=True) == [OUTCOME.to_dict()]
