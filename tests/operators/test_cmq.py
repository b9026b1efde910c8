# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import ConfigurationError, ParameterError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.cmq import CmqEnsureSubscriptionOperator
from airflow_batch_events.protocol.apis import tdmq

pytestmark = pytest.mark.usefixtures("cloud")
numbers = itertools.count(1)
CREATIONS = ("CreateCmqTopic", "CreateCmqQueue", "CreateCmqSubscribe")


@pytest.fixture
def names() -> dict[str, str]:
    number = next(numbers)
    return {"topic_name": f"ensured-{number}", "queue_name": f"ensured-queue-{number}"}


def ensure(names: dict[str, str], **settings: Any) -> TaskRunner:
    return TaskRunner(lambda: CmqEnsureSubscriptionOperator(task_id="t", **names, **settings))


def creations(cloud: Any) -> int:
    return sum(cloud.count(action) for action in CREATIONS)


def queue_of(names: dict[str, str]) -> Any:
    return BatchHook().send(tdmq.describe_queue(names["queue_name"]))


def test_what_is_missing_is_created_and_listed(names: dict[str, str]) -> None:
    topic, queue = names.values()
    assert ensure(names).run() == [
        f"create topic {topic}",
        f"create dead-letter queue {queue}-dead",
        f"create queue {queue}",
        f"create subscription to-{queue} from topic to queue",
    ]
    (subscription,) = tdmq.list_subscriptions(BatchHook().send, topic)
    assert (subscription.name, subscription.endpoint) == (f"to-{queue}", queue)


def test_what_is_present_is_left_alone(names: dict[str, str], cloud: Any) -> None:
    ensure(names).run()
    before = creations(cloud)
    assert ensure(names, visibility_timeout=60).run() == []
    assert creations(cloud) == before
    assert queue_of(names).visibility_timeout == 30


def test_a_part_that_is_missing_is_added(names: dict[str, str]) -> None:
    BatchHook().send(tdmq.create_topic(names["topic_name"]))
    assert ensure(names, subscription_name="mine", dead_letters=False).run() == [
        f"create queue {names['queue_name']}",
        "create subscription mine from topic to queue",
    ]


def test_what_would_not_work_fails_the_task_and_changes_nothing(names: dict[str, str], cloud: Any) -> None:
    topic, queue = names.values()
    hook = BatchHook()
    hook.send(tdmq.create_topic(topic))
    hook.send(tdmq.create_queue(queue))
    hook.send(tdmq.create_subscription(topic, "s", queue, filter_tags=["important"]))
    before = creations(cloud)
    with pytest.raises(ConfigurationError, match="clear its filter tags"):
        ensure(names).run()
    assert creations(cloud) == before


@pytest.mark.parametrize("given", [60, "60", timedelta(minutes=1)], ids=repr)
def test_a_new_queue_has_the_visibility_timeout(names: dict[str, str], given: Any) -> None:
    ensure(names, visibility_timeout=given).run()
    assert queue_of(names).visibility_timeout == 60


@pytest.mark.parametrize("given", [0, 43_201, 1.5, "soon"], ids=repr)
def test_a_visibility_timeout_that_no_queue_has_is_refused(names: dict[str, str], given: Any) -> None:
    with pytest.raises(ParameterError, match=r"task 't': visibility_timeout"):
        ensure(names, visibility_timeout=given).make()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_new_queue_has_a_dead_letter_queue_if_wanted(names: dict[str, str], wanted: bool) -> None:
    ensure(names, dead_letters=wanted).run()
    assert (queue_of(names).dead_letter_queue_name == f"{names['queue_name']}-dead") == wanted


def test_the_links_lead_to_the_topic_and_the_queue(names: dict[str, str], cloud: Any) -> None:
    task = ensure(names)
    task.run()
    assert task.ti.xcoms["_link_CmqTopicLink"] == f"{cloud.endpoint}/console/topics/{names['topic_name']}"
    assert task.ti.xcoms["_link_CmqQueueLink"] == f"{cloud.endpoint}/console/queues/{names['queue_name']}"
