# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.catalog import JOB_EVENTS
from airflow_batch_events.events.notifications import DEFAULT_JOB_EVENTS
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.operators.notifying import NotifyingOperator

ENTRY = {"TopicName": "t", "EventConfigs": [{"EventName": "JOB_SUCCEED", "EventVars": []}]}


class Task(NotifyingOperator):
    allowed_events = JOB_EVENTS
    default_events = DEFAULT_JOB_EVENTS


def describe(job, **given):
    return Task(task_id="submit", **given).with_notifications("job", job)


@pytest.mark.parametrize(
    "given",
    [
        {"topic_name": "t", "notifications": [ENTRY]},
        {"events": ["JOB_FAILED"]},
        {"event_vars": {"a": "b"}},
    ],
)
def test_parameters_that_contradict_each_other_are_refused(given):
    with pytest.raises(ParameterError, match=r"task 'submit': .*topic_name"):
        Task(task_id="submit", **given)


def test_a_job_that_is_to_publish_nothing_is_left_alone():
    assert describe({"JobName": "a"}) == {"JobName": "a"}


def test_a_job_s_own_notifications_get_a_target():
    job = {"JobName": "a", "Notifications": [ENTRY]}
    assert describe(job) == {**job, "NotificationTarget": "TDMQ_CMQ"}
    assert describe({**job, "NotificationTarget": "CMQ"}) == {**job, "NotificationTarget": "CMQ"}


def test_a_topic_gets_the_events_that_settle_a_wait():
    described = describe({"JobName": "a"}, topic_name="t")
    assert described["NotificationTarget"] == "TDMQ_CMQ"
    (notification,) = described["Notifications"]
    assert [config["EventName"] for config in notification["EventConfigs"]] == list(DEFAULT_JOB_EVENTS)


@pytest.mark.parametrize("given", [{"topic_name": "t"}, {"notifications": [ENTRY]}])
def test_notifications_of_two_places_are_refused(given):
    with pytest.raises(ParameterError, match="task 'submit': job has its own Notifications"):
        describe({"JobName": "a", "Notifications": [ENTRY]}, **given)
