# SPDX-License-Identifier: Apache-2.0
"""What is asked of the TDMQ API, and what becomes of its answers."""

from __future__ import annotations

from typing import Any

import pytest
from protocol.apis.vendor_models import assert_known_to_the_vendor
from tencentcloud.tdmq.v20200217 import models

from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.apis.tdmq import Page, QueueSettings, Subscription

REQUESTS: list[Any] = [
    (tdmq.create_queue("jobs"), "CreateCmqQueue", {"QueueName": "jobs"}),
    (
        tdmq.create_queue(
            "jobs",
            QueueSettings(
                visibility_timeout=60, polling_wait_seconds=0, dead_letter_queue_name="dead", tags={"team": "x"}
            ),
        ),
        "CreateCmqQueue",
        {
            "QueueName": "jobs",
            "VisibilityTimeout": 60,
            "PollingWaitSeconds": 0,
            "DeadLetterQueueName": "dead",
            "Tags": [{"TagKey": "team", "TagValue": "x"}],
        },
    ),
    (
        tdmq.modify_queue("jobs", QueueSettings(msg_retention_seconds=43200, tags={"team": "x"})),
        "ModifyCmqQueueAttribute",
        {"QueueName": "jobs", "MsgRetentionSeconds": 43200},
    ),
    (tdmq.delete_queue("jobs"), "DeleteCmqQueue", {"QueueName": "jobs"}),
    (tdmq.clear_queue("jobs"), "ClearCmqQueue", {"QueueName": "jobs"}),
    (
        tdmq.rewind_queue("jobs", 1582108595.25),
        "RewindCmqQueue",
        {"QueueName": "jobs", "StartConsumeTime": 1582108595250},
    ),
    (tdmq.describe_queue("jobs"), "DescribeCmqQueueDetail", {"QueueName": "jobs"}),
    (tdmq.describe_queues(limit=1), "DescribeCmqQueues", {"Offset": 0, "Limit": 1}),
    (
        tdmq.describe_queues(names=["a", "b"]),
        "DescribeCmqQueues",
        {"Offset": 0, "Limit": 50, "QueueNameList": ["a", "b"]},
    ),
    (tdmq.create_topic("events"), "CreateCmqTopic", {"TopicName": "events", "FilterType": 1}),
    (
        tdmq.modify_topic("events", max_msg_size=1024),
        "ModifyCmqTopicAttribute",
        {"TopicName": "events", "MaxMsgSize": 1024},
    ),
    (tdmq.delete_topic("events"), "DeleteCmqTopic", {"TopicName": "events"}),
    (tdmq.describe_topic("events"), "DescribeCmqTopicDetail", {"TopicName": "events"}),
    (
        tdmq.describe_topics(name="eve"),
        "DescribeCmqTopics",
        {"Offset": 0, "Limit": 50, "TopicName": "eve"},
    ),
    (
        tdmq.create_subscription("events", "to-jobs", "jobs", filter_tags=["a"]),
        "CreateCmqSubscribe",
        {
            "TopicName": "events",
            "SubscriptionName": "to-jobs",
            "Protocol": "queue",
            "Endpoint": "jobs",
            "NotifyContentFormat": "SIMPLIFIED",
            "FilterTag": ["a"],
        },
    ),
    (
        tdmq.create_subscription("events", "push", "http://host/x", protocol="http", binding_keys=["1.#"]),
        "CreateCmqSubscribe",
        {
            "TopicName": "events",
            "SubscriptionName": "push",
            "Protocol": "http",
            "Endpoint": "http://host/x",
            "BindingKey": ["1.#"],
        },
    ),
    (
        tdmq.modify_subscription("events", "to-jobs", filter_tags=["a"]),
        "ModifyCmqSubscriptionAttribute",
        {"TopicName": "events", "SubscriptionName": "to-jobs", "FilterTags": ["a"]},
    ),
    (
        tdmq.clear_subscription_filter_tags("events", "to-jobs"),
        "ClearCmqSubscriptionFilterTags",
        {"TopicName": "events", "SubscriptionName": "to-jobs"},
    ),
    (
        tdmq.delete_subscription("events", "to-jobs"),
        "DeleteCmqSubscribe",
        {"TopicName": "events", "SubscriptionName": "to-jobs"},
    ),
    (
        tdmq.describe_subscriptions("events", offset=50),
        "DescribeCmqSubscriptionDetail",
        {"TopicName": "events", "Offset": 50, "Limit": 50},
    ),
    (
        tdmq.send_message("jobs", "x"),
        "SendCmqMsg",
        {"QueueName": "jobs", "MsgContent": "x", "DelaySeconds": 0},
    ),
    (
        tdmq.publish_message("events", "x", tags=["a"]),
        "PublishCmqMsg",
        {"TopicName": "events", "MsgContent": "x", "MsgTag": ["a"]},
    ),
]


@pytest.mark.parametrize(
    ("request_", "action", "params"),
    REQUESTS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_requests_carry_the_apis_own_names(request_: Request[Any], action: str, params: dict[str, Any]) -> None:
    assert (request_.service, request_.action) == ("tdmq", action)
    assert request_.params == params


@pytest.mark.parametrize("request_", [entry[0] for entry in REQUESTS], ids=lambda request_: request_.action)
def test_the_vendors_sdk_knows_every_parameter(request_: Request[Any]) -> None:
    assert_known_to_the_vendor(request_, models)


@pytest.mark.parametrize(
    "request_",
    [
        tdmq.create_queue("q"),
        tdmq.delete_queue("q"),
        tdmq.clear_queue("q"),
        tdmq.create_topic("t"),
        tdmq.delete_topic("t"),
        tdmq.create_subscription("t", "s", "q"),
        tdmq.delete_subscription("t", "s"),
        tdmq.send_message("q", "x"),
        tdmq.publish_message("t", "x"),
    ],
    ids=lambda request_: request_.action,
)
def test_a_write_that_a_repeat_would_change_is_not_repeated(request_: Request[Any]) -> None:
    assert not request_.repeatable


def test_a_created_object_is_its_id() -> None:
    assert tdmq.create_queue("q").parse({"QueueId": "cmqq-1"}) == "cmqq-1"
    assert tdmq.create_topic("t").parse({"TopicId": "cmqt-1"}) == "cmqt-1"
    assert tdmq.create_subscription("t", "s", "q").parse({"SubscriptionId": "subsc-1"}) == "subsc-1"
    assert tdmq.send_message("q", "x").parse({"Result": True, "MsgId": "AB"}) == "AB"
    assert tdmq.publish_message("t", "x").parse({"Result": True, "MsgId": "AB"}) == "AB"


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 120])
def test_subscriptions_are_listed_from_all_pages(count: int) -> None:
    entries = [{"SubscriptionName": f"s{number}"} for number in range(count)]

    def send(request: Request[Page[Subscription]]) -> Page[Subscription]:
        start = request.params["Offset"]
        shown = entries[start : start + request.params["Limit"]]
        return request.parse({"TotalCount": count, "SubscriptionSet": shown})

    found = tdmq.list_subscriptions(send, "events")
    assert [subscription.name for subscription in found] == [f"s{number}" for number in range(count)]
