# SPDX-License-Identifier: Apache-2.0
"""The error, the XCom and the counts of a task that has run many jobs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_events.airflow_compat.exceptions import AirflowFailException
from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.exceptions import BatchJobsFailedError, SubmissionRecordError
from airflow_batch_events.waiting import airflow_metrics
from airflow_batch_events.waiting.many_end import count_many, error_of_many, push_outcome

FAILED = Item(1, "job-2", "FAILED", "no input", facts=JobFacts("exit_code", "main", 0, 2, (2, 7)))
ITEMS = [Item(1, "job-1", "SUCCEED"), FAILED, Item(1, "job-3", "FAILED", facts=JobFacts("signal", "main", 1, 137))]
INSTANCE = SimpleNamespace(dag_id="d", task_id="t", stats_tags={"team_name": "blue"})


@pytest.mark.parametrize("codes", [[], [3], [0]])
def test_the_error_has_the_facts(codes: list[int]) -> None:
    error = error_of_many(ITEMS, None, codes)
    assert isinstance(error, BatchJobsFailedError)
    assert error.causes == {"exit_code": 1, "signal": 1}
    assert (error.job_id, error.cause, error.exit_code, error.summary["succeeded"]) == ("job-2", "exit_code", 2, 1)


def test_an_exit_code_of_any_instance_ends_the_tries() -> None:
    error = error_of_many(ITEMS, None, [7])
    assert isinstance(error, AirflowFailException)
    assert isinstance(error.__cause__, BatchJobsFailedError)
    assert "without another try" in str(error)


def test_an_outcome_that_cannot_be_pushed_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(**_: Any) -> None:
        raise ConnectionError("no server")

    push_outcome(SimpleNamespace(xcom_push=refuse), [])
    assert "Cannot push the outcome" in caplog.text


class Counted:
    """Airflow's stats, as far as they are used here."""

    def __init__(self) -> None:
        self.counts: list[tuple[int, dict[str, str]]] = []

    def incr(self, name: str, count: int, *, tags: dict[str, str]) -> None:
        assert name == "tencent_batch.jobs.ended"
        self.counts.append((count, {key: value for key, value in tags.items() if key != "hostname"}))


def test_what_has_ended_in_this_wait_is_counted_by_state_and_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted()
    monkeypatch.setattr(airflow_metrics, "stats", counted)
    before = [ITEMS[0], Item(2), Item(1, "job-3")]
    again = Item(2, "job-4", "FAILED", facts=JobFacts("exit_code"))
    count_many(SimpleNamespace(begun=lambda total: before), [ITEMS[0], again, Item(1, "job-3")], INSTANCE)  # type: ignore[arg-type]
    own = {"dag_id": "d", "task_id": "t", "team_name": "blue"}
    assert counted.counts == [(1, {**own, "state": "FAILED", "cause": "exit_code"})]


def test_notes_that_cannot_be_read_cost_the_counts_alone(caplog: pytest.LogCaptureFixture) -> None:
    def begun(total: int) -> list[Item]:
        raise SubmissionRecordError("no answer")

    count_many(SimpleNamespace(begun=begun), ITEMS, INSTANCE)  # type: ignore[arg-type]
    assert "is not counted: no answer" in caplog.text
