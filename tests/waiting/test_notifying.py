# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.catalog import JOB_EVENTS
from airflow_batch_events.events.notifications import DEFAULT_JOB_EVENTS
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.waiting.notifying import NotifyMixin

ENTRY = {"TopicName": "t", "EventConfigs": [{"EventName": "JOB_SUCCEED", "EventVars": []}]}


class Task(NotifyMixin):
    task_id = "submit"

    def __init__(self, topic_name=None, events=None, event_vars=None, notifications=None):
        self.topic_name = topic_name
        self.events = events
        self.event_vars = event_vars
        self.notifications = notifications

    def describe(self, job):
        return self.with_notifications("job", job, JOB_EVENTS, DEFAULT_JOB_EVENTS)


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
        Task(**given).check_notifying()


def test_a_job_that_is_to_publish_nothing_is_left_alone():
    assert Task().describe({"JobName": "a"}) == {"JobName": "a"}


def test_a_job_s_own_notifications_get_the_target_that_delivers_unless_they_name_one():
    job = {"JobName": "a", "Notifications": [ENTRY]}
    assert Task().describe(job) == {**job, "NotificationTarget": "TDMQ_CMQ"}
    assert Task().describe({**job, "NotificationTarget": "CMQ"}) == {**job, "NotificationTarget": "CMQ"}


def test_a_topic_gets_the_events_that_settle_a_wait():
    described = Task("t").describe({"JobName": "a"})
    assert described["NotificationTarget"] == "TDMQ_CMQ"
    (notification,) = described["Notifications"]
    assert [config["EventName"] for config in notification["EventConfigs"]] == list(DEFAULT_JOB_EVENTS)


@pytest.mark.parametrize("task", [Task("t"), Task(notifications=[ENTRY])])
def test_notifications_of_two_places_are_refused(task):
    with pytest.raises(ParameterError, match="task 'submit': job has Notifications of its own"):
        task.describe({"JobName": "a", "Notifications": [ENTRY]})
