# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from types import SimpleNamespace
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
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import _awaited_in
from airflow_batch_events.operators.job_wait_mixin import JobWaitMixin, deadline_of
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor

OUTCOME = Outcome("job-1", "SUCCEED", True, source="event")


def test_the_outcomes_of_a_wait_are_read_from_the_trigger_s_event():
    event = {"status": "ended", "job_id": ["job-1"], "outcomes": [OUTCOME.to_dict()]}
    assert JobWaitMixin().outcomes_of(event) == [OUTCOME]


def test_an_error_in_the_triggerer_is_raised_as_its_own_class():
    event = {"status": "error", "error": "QueueMissingError", "message": "queue 'q' does not exist"}
    with pytest.raises(WaitQueueNotFoundError, match="queue 'q' does not exist"):
        JobWaitMixin().outcomes_of(event)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CredentialsError", CredentialsError),
        ("TransportError", TransportError),
        ("ApiThrottledError", CloudError),
        ("LaterError", BatchEventsError),
        ("annotations", BatchEventsError),
        (None, BatchEventsError),
        (["x"], BatchEventsError),
    ],
)
def test_an_error_of_any_version_is_raised_as_the_nearest_class(name: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        JobWaitMixin().outcomes_of({"status": "error", "error": name})
    assert caught.type is expected


@pytest.mark.parametrize("outcomes", [None, "SUCCEED", {}, [None], ["x"], [{}], [{"job_id": 7, "state": "SUCCEED"}]])
def test_an_end_without_outcomes_is_a_clear_error(outcomes: Any) -> None:
    with pytest.raises(ValueError, match="outcome"):
        JobWaitMixin().outcomes_of({"status": "ended", "outcomes": outcomes})


@pytest.mark.parametrize("outcomes", [[], [OUTCOME.to_dict()], [OUTCOME.to_dict()] * 3], ids=len)
def test_an_end_of_fewer_or_more_jobs_than_were_waited_for_is_a_clear_error(outcomes: Any) -> None:
    """Outcomes of another version: a job without one must not count as one that has succeeded."""
    event = {"status": "ended", "outcomes": outcomes}
    task = BatchJobSensor(task_id="t", job_id=["job-1", "job-2"])
    with pytest.raises(ValueError, match="where 2 were waited for"):
        task.execute_complete({}, event=event)
    if len(outcomes) != 1:
        with pytest.raises(ValueError, match="where 1 were waited for"):
            JobWaitMixin().outcomes_of(event)


@pytest.mark.parametrize("events", [None, 7, True, "JOB_SUCCEED", {"event_name": "JOB_SUCCEED"}], ids=repr)
def test_events_that_are_no_list_are_a_clear_error(events: Any) -> None:
    """Payloads of another version."""
    sensor = BatchEventSensor(task_id="t", queue_name="q")
    with pytest.raises(ValueError, match="must be a list"):
        sensor.execute_complete({}, event={"status": "ended", "events": events})


@pytest.mark.parametrize("job_ids", [None, 7, True, {"a": 1}, [7, None, ""]], ids=repr)
def test_an_error_that_names_no_job_is_raised_all_the_same(job_ids: Any) -> None:
    """Payloads of another version."""
    assert list(_awaited_in({"status": "error", "job_id": job_ids})) == []


def test_a_deadline_is_stored_only_in_a_time_that_the_cloud_has_told() -> None:
    hook = BatchHook()
    assert deadline_of(60, hook) is None
    clock = CloudClock(wall=time.time)
    vars(hook)["client"] = SimpleNamespace(clock=clock)
    assert deadline_of(60, hook) is None
    clock.learn(time.time(), is_good=True)
    assert deadline_of(60, hook) == pytest.approx(time.time() + 60, abs=5)
    assert deadline_of(None, hook) is None


def test_an_event_cannot_choose_any_other_class():
    with pytest.raises(BatchEventsError, match="no") as caught:
        JobWaitMixin().outcomes_of({"status": "error", "error": "BatchJobFailedError", "message": "no"})
    assert caught.type is BatchEventsError


@pytest.mark.parametrize("event", [None, "success", {}, {"status": "running"}, ["ended"]])
def test_an_event_that_is_not_ours_is_refused(event):
    with pytest.raises(ValueError, match="something else"):
        JobWaitMixin().outcomes_of(event)
