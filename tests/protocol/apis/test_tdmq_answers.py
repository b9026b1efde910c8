# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pendulum
import pytest

from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.apis.tdmq import Page, Subscription

QUEUE = {
    "QueueId": "cmqq-d88rxnbv2",
    "QueueName": "jobs",
    "Qps": 5000,
    "PollingWaitSeconds": 3,
    "MsgRetentionSeconds": 7200,
    "VisibilityTimeout": 30,
    "MaxMsgSize": 1048576,
    "RewindSeconds": 0,
    "CreateTime": 1590632987000,
    "ActiveMsgNum": 4,
    "InactiveMsgNum": 0,
    "DelayMsgNum": None,
    "DeadLetterSource": None,
    "DeadLetterPolicy": {"DeadLetterQueue": "dead", "Policy": 0, "MaxReceiveCount": 5},
    "Tags": None,
    "MaxUnackedMsgNum": 100000,
}

SUBSCRIPTION = {
    "SubscriptionName": "to-jobs",
    "SubscriptionId": "subsc-12345678",
    "TopicOwner": 0,
    "MsgCount": 0,
    "CreateTime": 1590632987,
    "BindingKey": None,
    "Endpoint": "jobs",
    "FilterTags": ["a"],
    "Protocol": "queue",
    "NotifyStrategy": "EXPONENTIAL_DECAY_RETRY",
    "NotifyContentFormat": "SIMPLIFIED",
    "TopicName": "events",
}


@pytest.mark.parametrize("described", [QUEUE, [QUEUE]])
def test_a_queue_is_read_from_an_object_or_a_list(described: Any) -> None:
    queue = tdmq.describe_queue("jobs").parse({"QueueDescribe": described})
    assert (queue.name, queue.queue_id) == ("jobs", "cmqq-d88rxnbv2")
    assert (queue.visibility_timeout, queue.polling_wait_seconds, queue.msg_retention_seconds) == (30, 3, 7200)
    assert (queue.active_msg_num, queue.inactive_msg_num, queue.delay_msg_num) == (4, 0, None)
    assert queue.dead_letter_queue_name == "dead"
    assert queue.create_time == pendulum.datetime(2020, 5, 28, 2, 29, 47)


def test_a_queue_without_dead_letter_policy_has_none() -> None:
    queue = tdmq.describe_queue("jobs").parse({"QueueDescribe": {**QUEUE, "DeadLetterPolicy": None}})
    assert queue.dead_letter_queue_name == ""


def test_a_topic_is_described() -> None:
    answer = {"TopicDescribe": {"TopicName": "events", "TopicId": "cmqt-1", "FilterType": 2, "MsgCount": 7}}
    topic = tdmq.describe_topic("events").parse(answer)
    assert (topic.name, topic.topic_id, topic.filter_type, topic.msg_count) == ("events", "cmqt-1", 2, 7)


def test_lists_are_pages() -> None:
    queues = tdmq.describe_queues().parse({"TotalCount": 70, "QueueList": [QUEUE]})
    assert (queues.total_count, [queue.name for queue in queues.items]) == (70, ["jobs"])
    assert tdmq.describe_topics().parse({"TotalCount": 0, "TopicList": None}) == Page(0, ())


def test_a_subscription_is_typed() -> None:
    [found] = tdmq.describe_subscriptions("events").parse({"TotalCount": 1, "SubscriptionSet": [SUBSCRIPTION]}).items
    assert found == Subscription(
        topic_name="events",
        name="to-jobs",
        protocol="queue",
        endpoint="jobs",
        subscription_id="subsc-12345678",
        notify_strategy="EXPONENTIAL_DECAY_RETRY",
        content_format="SIMPLIFIED",
        filter_tags=("a",),
        binding_keys=(),
        msg_count=0,
        raw=SUBSCRIPTION,
    )
