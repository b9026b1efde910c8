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
    QueueMissingError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.waiting import JobWaitMixin, deadline_of
from airflow_batch_events.protocol.clock import CloudClock

OUTCOME = Outcome("job-1", "SUCCEED", True, source="event")


def test_the_outcomes_of_a_wait_are_read_from_the_trigger_s_event():
    event = {"status": "ended", "job_id": ["job-1"], "outcomes": [OUTCOME.to_dict()]}
    assert JobWaitMixin().outcomes_of(event) == [OUTCOME]


def test_an_error_in_the_triggerer_is_raised_as_its_own_class():
    event = {"status": "error", "error": "QueueMissingError", "message": "queue 'q' does not exist"}
    with pytest.raises(QueueMissingError, match="queue 'q' does not exist"):
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
