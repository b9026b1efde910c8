# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_events.events.diagnosis import Diagnosis, FailedInstance, diagnose
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes
from airflow_batch_events.exceptions import (
    BatchEventsError,
    CloudError,
    CredentialsError,
    TransportError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.waiting.task_result import (
    MAX_SKIPPED_JOBS,
    end_in,
    error_of,
    explain_all,
    failures_in,
    outcome_xcom,
    outcomes_of,
    result_of,
)

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
    failures = failures_in([outcome(state) for state in states], raise_on_failure=raises)
    assert (failures[0].state if failures else None) == failed


def test_a_list_of_jobs_has_a_list_of_results():
    assert result_of([OUTCOME], is_list=False) == OUTCOME.to_dict()
    assert result_of([OUTCOME], is_list=True) == [OUTCOME.to_dict()]


class Explains:
    """A hook that explains each job by the exit code in its id."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def explain(self, failed: Outcome) -> Diagnosis:
        self.asked.append(failed.job_id)
        code = int(failed.job_id.removeprefix("job-"))
        return diagnose(failed.job_id, failed.state, None, [FailedInstance("main", 0, "FAILED", code)], 1)


def ended(*codes: int) -> list[Outcome]:
    return [Outcome(f"job-{code}", "FAILED", succeeded=False) for code in codes]


@pytest.mark.parametrize(
    ("codes", "end_as", "asked"),
    [
        ([99], EndAs.SKIPPED, 1),
        ([99, 98], EndAs.SKIPPED, 2),
        ([99, 1, 98], EndAs.ERROR, 2),
        ([99, 2, 98], EndAs.FAILED, 2),
        ([1, 99, 98], EndAs.ERROR, 1),
        ([99] * (MAX_SKIPPED_JOBS + 1), EndAs.ERROR, 1),
    ],
)
def test_other_jobs_are_read_only_where_the_first_would_skip_the_task(
    codes: list[int], end_as: EndAs, asked: int
) -> None:
    hook: Any = Explains()
    rules = ExitCodes(skip=frozenset({98, 99}), fail=frozenset({2}))

    explained = explain_all(hook, ended(*codes), rules)

    assert (explained.end_as, len(hook.asked)) == (end_as, asked)
    assert explained.error.job_id == explained.outcomes[-1].job_id


def test_what_is_pushed_has_the_facts_of_what_was_read() -> None:
    hook: Any = Explains()
    outcomes = [OUTCOME, *ended(7, 8)]
    explained = explain_all(hook, outcomes[1:])

    pushed = outcome_xcom(outcomes, explained.outcomes, is_list=True)

    assert [one["failure"] and one["failure"]["exit_code"] for one in pushed] == [None, 7, None]
    bare = outcome_xcom(outcomes[1:2], outcomes[1:2], is_list=False)
    assert (bare["failure"]["cause"], bare["failure"]["exit_code"]) == ("unknown", None)


@pytest.mark.parametrize(("is_own", "cause"), [(True, "deleted"), (False, "unknown")])
def test_a_job_of_the_tasks_own_that_is_not_there_was_deleted(is_own: bool, cause: str) -> None:
    hook: Any = SimpleNamespace(access=SimpleNamespace(region="ap-guangzhou"))
    missing = Outcome("job-1", "NOT_FOUND", succeeded=False, reason="it is not there")
    assert explain_all(hook, [missing], is_own=is_own).error.cause == cause
