# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent

EVENT = BatchEvent(
    "TASK_FAILED",
    None,
    "ap-guangzhou",
    {"JobId": "job-1", "JobName": "nightly-7", "TaskName": "load", "EnvId": "env-1"},
    {"team": "blue", "stage": "prod"},
)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"events": ["TaskFailed", "JOB_FAILED"]},
        {"job_id": "job-1"},
        {"job_id": ["job-0", "job-1"]},
        {"job_name": "nightly-*"},
        {"task_name": "lo?d"},
        {"env_id": "env-1"},
        {"region": "ap-guangzhou"},
        {"event_vars": {"team": "blue"}},
        {"events": ["TASK_FAILED"], "job_name": "*", "event_vars": {"team": "blue", "stage": "prod"}},
    ],
)
def test_an_event_that_is_as_wanted_matches(wanted):
    assert EventFilter(**wanted).matches(EVENT)


@pytest.mark.parametrize(
    "wanted",
    [
        {"events": ["JOB_FAILED"]},
        {"job_id": "job-2"},
        {"job_id": []},
        {"job_name": "Nightly-*"},
        {"task_name": "save"},
        {"env_id": "env-2"},
        {"region": "ap-tokyo"},
        {"event_vars": {"team": "red"}},
        {"event_vars": {"owner": "blue"}},
        {"events": ["TASK_FAILED"], "job_id": "job-2"},
    ],
)
def test_an_event_that_differs_in_one_thing_does_not_match(wanted):
    assert not EventFilter(**wanted).matches(EVENT)


def test_an_event_without_a_name_matches_no_pattern_but_everything():
    nameless = BatchEvent("JOB_FAILED", batch={"JobId": "job-1"})
    assert EventFilter(job_name="*").matches(nameless)
    assert not EventFilter(job_name="n*").matches(nameless)


def test_an_event_name_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="unknown event 'JOB_DONE'"):
        EventFilter(events=["JOB_DONE"])
