# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.apis.tdmq import QueueAttributes, Subscription, TopicAttributes
from airflow_batch_events.provisioning.provision import DesiredState, apply, make_plan

WANTED = DesiredState("events", "waits")
TOPIC = TopicAttributes("events")
QUEUE = QueueAttributes("waits")
DEAD = QueueAttributes("waits-dead")
SUBSCRIPTION = Subscription("events", "to-waits", "queue", "waits", content_format="SIMPLIFIED")


def titles(plan):
    return [step.title for step in plan.steps]


def test_everything_is_created_where_nothing_is_there():
    plan = make_plan(WANTED, None, None, None, [])
    assert titles(plan) == [
        "create topic events",
        "create dead-letter queue waits-dead",
        "create queue waits",
        "create subscription to-waits from topic to queue",
    ]
    queue = plan.steps[2].request.params
    assert (queue["VisibilityTimeout"], queue["DeadLetterQueueName"], queue["Policy"]) == (30, "waits-dead", 0)
    subscription = plan.steps[3].request.params
    assert (subscription["NotifyContentFormat"], subscription["Endpoint"]) == ("SIMPLIFIED", "waits")


def test_nothing_is_created_where_everything_is_there():
    plan = make_plan(WANTED, TOPIC, QUEUE, DEAD, [SUBSCRIPTION])
    assert titles(plan) == []
    assert plan.problems == ()
    assert len(plan.present) == 3


def test_only_what_is_missing_is_created():
    assert titles(make_plan(WANTED, TOPIC, QUEUE, None, [])) == ["create subscription to-waits from topic to queue"]
    assert titles(make_plan(WANTED, TOPIC, None, DEAD, [SUBSCRIPTION])) == ["create queue waits"]


def test_a_queue_without_dead_letters_needs_no_second_queue():
    wanted = DesiredState("events", "waits", dead_letters=False)
    plan = make_plan(wanted, TOPIC, None, None, [SUBSCRIPTION])
    assert titles(plan) == ["create queue waits"]
    assert "DeadLetterQueueName" not in plan.steps[0].request.params


@pytest.mark.parametrize(
    ("subscription", "words"),
    [
        (Subscription("events", "s", "queue", "waits", content_format="JSON"), "change it to SIMPLIFIED"),
        (Subscription("events", "s", "queue", "waits", filter_tags=("a",)), "clear its filter tags"),
        (Subscription("events", "s", "queue", "waits", binding_keys=("a.*",)), "set the key #"),
        (Subscription("events", "to-waits", "queue", "other"), "choose another subscription name"),
    ],
)
def test_what_would_not_work_is_reported_and_nothing_is_created(subscription, words):
    plan = make_plan(WANTED, None, None, None, [subscription])
    assert words in plan.problems[0]
    calls = []
    with pytest.raises(ConfigurationError, match=words):
        apply(calls.append, plan, lambda title: None)
    assert calls == []


def test_long_names_stay_within_the_limit():
    wanted = DesiredState("t", "q" * 64)
    assert len(wanted.subscription) <= 64
    assert len(wanted.dead_letter_queue) <= 64
    assert not wanted.dead_letter_queue.endswith(("-dlq", "-retry"))


@pytest.mark.parametrize(
    "names",
    [
        {"topic_name": "1t"},
        {"queue_name": "1q"},
        {"queue_name": "q.r"},
        {"queue_name": "q" * 65},
        {"subscription_name": "s/t"},
    ],
    ids=str,
)
def test_an_impossible_name_is_refused_before_any_creation(names):
    with pytest.raises(ConfigurationError, match=next(iter(names))):
        DesiredState(**{"topic_name": "t", "queue_name": "q", **names})


@pytest.mark.parametrize("name", ["q-dlq", "q-retry"])
def test_a_queue_with_a_reserved_name_is_not_created(name):
    assert f"{name} cannot be created" in make_plan(DesiredState("t", name), None, None, None, ()).problems[0]
