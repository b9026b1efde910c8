# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import BatchEventsError, QueueMissingError
from airflow_batch_events.operators.waiting import JobWaitMixin

OUTCOME = Outcome("job-1", "SUCCEED", True, source="event")


def test_the_outcomes_of_a_wait_are_read_from_the_trigger_s_event():
    event = {"status": "ended", "job_id": ["job-1"], "outcomes": [OUTCOME.to_dict()]}
    assert JobWaitMixin().outcomes_of(event) == [OUTCOME]


def test_an_error_in_the_triggerer_is_raised_as_its_own_class():
    event = {"status": "error", "error": "QueueMissingError", "message": "queue 'q' does not exist"}
    with pytest.raises(QueueMissingError, match="queue 'q' does not exist"):
        JobWaitMixin().outcomes_of(event)


def test_an_event_cannot_choose_any_other_class():
    with pytest.raises(BatchEventsError, match="no") as caught:
        JobWaitMixin().outcomes_of({"status": "error", "error": "BatchJobFailedError", "message": "no"})
    assert caught.type is BatchEventsError


@pytest.mark.parametrize("event", [None, "success", {}, {"status": "running"}, ["ended"]])
def test_an_event_that_is_not_ours_is_refused(event):
    with pytest.raises(ValueError, match="something else"):
        JobWaitMixin().outcomes_of(event)
