# SPDX-License-Identifier: Apache-2.0
"""What the page shows of a row, whatever has been stored in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.airflow_database import NOW, outcome, place

from airflow_batch_events.airflow_compat.ui.rows import EndedTask, OpenWait
from airflow_batch_events.plugins.views import ended_view, open_view, queue_views

KEYS = ("batch_outcome", "return_value")


def open_row(trigger: str = "BatchJobTrigger", **arguments: Any) -> dict[str, Any]:
    return open_view(OpenWait(place("t"), 1, trigger, arguments, NOW - timedelta(seconds=30), True), NOW)


def ended_row(fields: dict[str, Any] | None = None, **stored: Any) -> dict[str, Any]:
    task = EndedTask(
        place("t"), "success", NOW - timedelta(seconds=90), NOW, {"queue_name": "q"} if fields is None else fields
    )
    return ended_view(task, {key: (value, NOW) for key, value in stored.items()}, KEYS)


def test_an_open_wait_shows_its_jobs_queue_and_age() -> None:
    row = open_row(job_id=["job-1", "job-2", "job-3", "job-4"], queue_name="q", region="ap-shanghai")
    assert (row["jobs"], row["count"], row["waits_for"]) == (["job-1", "job-2", "job-3"], 4, "job")
    assert (row["connection"], row["region"], row["queue"]) == ("tencentcloud_default", "ap-shanghai", "q")
    assert row["age"] == 30.0


@pytest.mark.parametrize(
    ("trigger", "arguments", "shown"),
    [
        ("BatchJobsTrigger", {"total": 5000}, ("jobs", 5000)),
        ("BatchEventWaitTrigger", {"count": 3}, ("events", 3)),
        ("BatchComputeEnvTrigger", {"env_id": "env-1"}, ("environment", 0)),
        ("OfAnotherVersion", {}, ("event", 0)),
    ],
)
def test_what_is_waited_for(trigger: str, arguments: dict[str, Any], shown: tuple[str, int]) -> None:
    row = open_row(trigger, **arguments)
    assert (row["waits_for"], row["count"]) == shown
    assert row["environment"] == arguments.get("env_id")


@pytest.mark.parametrize("job_id", [None, "", {"a": 1}, 5, ["job-1", None], "\x1b[31m" + "x" * 5000])
def test_whatever_was_stored_is_shown_as_short_text(job_id: Any) -> None:
    row = open_row(job_id=job_id, queue_name=["odd"], total="many")
    assert all(len(text) <= 200 and text.isprintable() for text in row["jobs"])
    assert isinstance(row["count"], int)


def test_an_ended_wait_shows_what_ended_it_and_how_late() -> None:
    row = ended_row(return_value=outcome("job-1", event_ago=2))
    assert (row["jobs"], row["states"], row["source"]) == (["job-1"], ["SUCCEED"], "event")
    assert (row["lag"], row["waited"]) == (2.0, 90.0)


def test_an_event_that_only_caused_a_poll_has_arrived() -> None:
    heard = {**outcome("job-1", "api"), "event_name": "JOB_SUCCEED"}
    row = ended_row(return_value=heard)
    assert (row["source"], row["has_event"]) == ("api", True)
    assert not ended_row(return_value=outcome("job-1", "api", event_ago=None))["has_event"]
    (queue,) = queue_views([], [row])
    assert queue["sign"] == "ok"


def test_a_failed_wait_tells_it_before_any_other_value() -> None:
    row = ended_row(batch_outcome=outcome(state="FAILED", source="api", event_ago=None), return_value=outcome())
    assert (row["states"], row["source"], row["lag"]) == (["FAILED"], "api", None)


@pytest.mark.parametrize("value", ["text", 5, None, [], {"a": 1}, [{"job_id": 7}]])
def test_a_value_that_is_no_outcome_tells_nothing(value: Any) -> None:
    row = ended_row(return_value=value)
    assert (row["jobs"], row["source"], row["lag"]) == ([], None, None)


@pytest.mark.parametrize("time", ["yesterday", "", "2026-13-01", "P3D"])
def test_a_time_that_is_none_gives_no_lag(time: str) -> None:
    assert ended_row(return_value={**outcome(), "event_time": time})["lag"] is None


def test_one_event_among_many_jobs_shows_that_events_arrive() -> None:
    assert ended_row(return_value=[outcome("a", "api"), outcome("b", "event")])["source"] == "event"
    assert ended_row(return_value=[outcome("a", "event"), outcome("b", "deadline")])["source"] == "deadline"


def test_queues_that_need_somebody_come_first() -> None:
    missed = ended_row({"queue_name": "broken"}, return_value=outcome(source="api"))
    fine = ended_row({"queue_name": "fine"}, return_value=outcome(event_ago=2))
    views = queue_views([open_row(job_id="job-1", queue_name="fine")], [fine, missed])
    assert [(view["queue"], view["sign"]) for view in views] == [("broken", "broken"), ("fine", "ok")]
    assert (views[1]["open"], views[1]["oldest"], views[1]["by"]["event"], views[1]["lag"]) == (1, 30.0, 1, 2.0)


def test_a_task_whose_queue_is_not_known_judges_none() -> None:
    row = ended_row({}, return_value=outcome(source="api"))
    assert not row["is_queue_known"]
    assert queue_views([], [row]) == []
