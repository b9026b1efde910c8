# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import ParameterError

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
        {"events": "TASK_FAILED"},
        {"events": {"TASK_FAILED", "JOB_FAILED"}},
        {"job_id": {"job_id": "job-1", "state": "SUCCEED"}},
        {"job_id": "['job-0', 'job-1']"},
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


def test_an_event_without_a_job_name_matches_only_the_star():
    nameless = BatchEvent("JOB_FAILED", batch={"JobId": "job-1"})
    assert EventFilter(job_name="*").matches(nameless)
    assert not EventFilter(job_name="n*").matches(nameless)


@pytest.mark.parametrize("value", [7, 1.5, True, "7"])
def test_a_number_in_event_vars_matches_its_text(value):
    event = BatchEvent("JOB_SUCCEED", vars={"shard": str(value)})
    assert EventFilter(event_vars={"shard": value}).matches(event)
    assert not EventFilter(event_vars={"shard": "8"}).matches(event)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"events": []}, "events is an empty list"),
        ({"event_vars": {"__type": "a", "__var": "b"}}, "'__type'.*Airflow's own"),
        ({"event_vars": ""}, "event_vars is text"),
        ({"event_vars": []}, "event_vars is a list"),
        ({"event_vars": 0}, "event_vars is an int"),
        ({"events": 7}, "events is an int"),
        ({"job_id": ""}, "job_id is ''"),
        ({"job_id": [None]}, r"job_id\[0\] is None"),
        ({"job_name": ""}, "job_name is blank"),
        ({"task_name": " "}, "task_name is blank"),
        ({"env_id": True}, "env_id is a bool"),
        ({"region": ""}, "region is blank"),
        ({"event_vars": {"shard": None}}, r"event_vars\['shard'\] is None"),
        ({"event_vars": {"cfg": {"a": 1}}}, r"event_vars\['cfg'\] is a dict"),
        ({"event_vars": "x"}, "event_vars is text"),
    ],
)
def test_an_empty_or_odd_value_never_widens_a_filter(wanted, words):
    with pytest.raises(ParameterError, match=words):
        EventFilter(**wanted)


def test_an_event_name_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="unknown event 'JOB_DONE'"):
        EventFilter(events=["JOB_DONE"])


def test_one_event_of_several_is_enough():
    wanted = EventFilter(task_name="load")
    assert wanted.matches_any([BatchEvent("JOB_FAILED"), EVENT])
    assert not wanted.matches_any([BatchEvent("JOB_FAILED")])
    assert not wanted.matches_any([])


def test_a_pattern_does_not_match_what_is_not_there():
    assert not EventFilter(job_name="?*").matches(BatchEvent("JOB_FAILED"))
    assert not EventFilter(task_name="?*").matches(BatchEvent("JOB_FAILED"))


def test_no_event_at_all_cannot_be_wanted():
    with pytest.raises(ParameterError, match=r"^events is an empty list: name the events, or leave it out"):
        EventFilter(events=[])
