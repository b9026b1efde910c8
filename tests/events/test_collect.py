# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.collect import Collector, Question, question_for
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent


def node(name):
    return BatchEvent("COMPUTE_NODE_RUNNING", None, "r", {"EnvId": "env-1", "ComputeNodeId": name})


def test_collecting_ends_with_the_last_different_event():
    collector = Collector(EventFilter(events=["COMPUTE_NODE_RUNNING"], env_id="env-1"), 2)
    for event in (node("a"), node("a"), BatchEvent("JOB_FAILED")):
        collector.add(event)
    assert not collector.is_complete
    collector.add(node("b"))
    collector.add(node("c"))
    assert collector.is_complete
    assert [event.compute_node_id for event in collector.events] == ["a", "b"]


@pytest.mark.parametrize(
    ("wanted", "count", "question"),
    [
        ({"events": ["JOB_SUCCEED"], "job_id": "job-1"}, 1, Question("job", "job-1", None, ("SUCCEED",))),
        (
            {"events": ["JOB_RUNNING"], "job_id": "job-1"},
            1,
            Question("job", "job-1", None, ("RUNNING", "SUCCEED", "FAILED", "FAILED_INTERRUPTED")),
        ),
        (
            {"events": ["TASK_FAILED"], "job_id": "job-1", "task_name": "loadX"},
            1,
            Question("task", "job-1", "loadX", ("FAILED",)),
        ),
        (
            {"events": ["COMPUTE_NODE_RUNNING"], "env_id": "env-1"},
            8,
            Question("nodes", "env-1", None, ("RunningCount",), 8),
        ),
    ],
)
def test_the_api_is_asked_where_it_can_tell_the_same(wanted, count, question):
    assert question_for(EventFilter(**wanted), count) == question


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 1),
        ({"events": ["JOB_SUCCEED"]}, 1),
        ({"events": ["JOB_SUCCEED"], "job_name": "n*"}, 1),
        ({"events": ["JOB_SUCCEED"], "job_id": "job-1", "event_vars": {"a": "b"}}, 1),
        ({"events": ["JOB_SUCCEED"], "job_id": ["job-1", "job-2"]}, 1),
        ({"events": ["JOB_SUCCEED"], "job_id": "job-1"}, 2),
        ({"events": ["JOB_FAILED"], "job_id": "job-1", "task_name": "load"}, 1),
        ({"events": ["TASK_FAILED"], "job_id": "job-1", "task_name": "l*"}, 1),
        ({"events": ["TASK_INSTANCE_FAILED"], "job_id": "job-1", "task_name": "load"}, 1),
        ({"events": ["COMPUTE_NODE_DELETING"], "env_id": "env-1"}, 1),
    ],
)
def test_only_events_can_tell_the_rest(wanted, count):
    assert question_for(EventFilter(**wanted), count) is None


def test_a_question_is_answered_by_state_or_by_number():
    job = question_for(EventFilter(events=["JOB_RUNNING"], job_id="job-1"), 1)
    nodes = question_for(EventFilter(events=["COMPUTE_NODE_RUNNING"], env_id="env-1"), 8)
    assert job is not None
    assert nodes is not None
    assert job.is_answered_by_state("SUCCEED")
    assert not job.is_answered_by_state("STARTING")
    assert not job.is_answered_by_state(None)
    assert nodes.is_answered_by_counts({"RunningCount": 8})
    assert not nodes.is_answered_by_counts({"RunningCount": 7, "CreatedCount": 9})


def test_a_counter_that_the_api_left_out_is_none():
    node = question_for(EventFilter(events=["COMPUTE_NODE_RUNNING"], env_id="env-1"), 1)
    assert node is not None
    assert not node.is_answered_by_counts({"CreatedCount": 9})
