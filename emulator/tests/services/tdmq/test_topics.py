# SPDX-License-Identifier: Apache-2.0
"""Topics and subscriptions through the control plane."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers.tdmq_calls import Call, refused

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker

SUBSCRIPTION = {"TopicName": "events", "SubscriptionName": "jobs", "Protocol": "queue", "Endpoint": "jobs"}


@pytest.fixture
async def events(call: Call) -> None:
    """A topic and a queue, not yet joined."""
    await call("CreateCmqTopic", TopicName="events")
    await call("CreateCmqQueue", QueueName="jobs")


async def subscriptions(call: Call, **params: Any) -> list[dict[str, Any]]:
    answer = await call("DescribeCmqSubscriptionDetail", **params)
    found: list[dict[str, Any]] = answer["SubscriptionSet"]
    assert answer["TotalCount"] == len(found)
    return found


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "MissingParameter"),
        ({"TopicName": "Events"}, "ResourceInUse.Topic"),
        ({"TopicName": "1st"}, "InvalidParameterValue"),
        ({"TopicName": "new", "FilterType": 3}, "InvalidParameterValue"),
        ({"TopicName": "new", "MaxMsgSize": 1023}, "InvalidParameterValue"),
        ({"TopicName": "new", "MsgRetentionSeconds": 59}, "InvalidParameterValue"),
    ],
)
@pytest.mark.usefixtures("events")
async def test_a_topic_that_cannot_be_is_refused(call: Call, params: dict[str, Any], code: str) -> None:
    with refused(code):
        await call("CreateCmqTopic", **params)
    assert (await call("DescribeCmqTopics"))["TotalCount"] == 1


@pytest.mark.usefixtures("events")
async def test_a_topic_is_modified(call: Call, clock: Clock) -> None:
    clock.advance(1)
    await call("ModifyCmqTopicAttribute", TopicName="events", MaxMsgSize="2048", Trace=True)
    view = (await call("DescribeCmqTopicDetail", TopicName="events"))["TopicDescribe"]
    assert (view["MaxMsgSize"], view["Trace"], view["MsgRetentionSeconds"]) == (2048, True, 86_400)
    assert view["LastModifyTime"] == 1_700_000_001_250
    with refused("InvalidParameterValue"):
        await call("ModifyCmqTopicAttribute", TopicName="events", MaxMsgSize=1)


@pytest.mark.parametrize("action", ["DeleteCmqTopic", "DescribeCmqTopicDetail", "ModifyCmqTopicAttribute"])
async def test_a_missing_topic_is_not_found(call: Call, action: str) -> None:
    with refused("ResourceNotFound.Topic"):
        await call(action, TopicName="nowhere")


@pytest.mark.usefixtures("events")
async def test_topics_are_listed_by_name(call: Call) -> None:
    await call("CreateCmqTopic", TopicName="other", Tags=[{"TagKey": "team", "TagValue": "a"}])

    async def names(**params: Any) -> list[str]:
        return [topic["TopicName"] for topic in (await call("DescribeCmqTopics", **params))["TopicList"]]

    assert await names() == ["events", "other"]
    assert await names(TopicName="vent") == ["events"]
    assert await names(TopicNameList=["OTHER"]) == ["other"]
    assert await names(IsTagFilter=True, Filters=[{"Name": "tag:team", "Values": ["a"]}]) == ["other"]
    assert await names(Offset=1, Limit=1) == ["other"]


@pytest.mark.usefixtures("events")
async def test_an_http_subscriber_gets_json_by_default(call: Call) -> None:
    await call("CreateCmqSubscribe", **{**SUBSCRIPTION, "Protocol": "http", "Endpoint": "http://127.0.0.1:1/hook"})
    [view] = await subscriptions(call, TopicName="events")
    assert view["NotifyContentFormat"] == "JSON"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"TopicName": "nowhere"}, "ResourceNotFound.Topic"),
        ({"Endpoint": "nowhere"}, "ResourceNotFound"),
        ({"SubscriptionName": "TAKEN"}, "ResourceInUse.Subscription"),
        ({"Protocol": "ftp"}, "InvalidParameterValue"),
        ({"NotifyContentFormat": "JSON"}, "InvalidParameterValue"),
        ({"FilterTag": list("abcdef")}, "InvalidParameterValue"),
        ({"Protocol": "http", "Endpoint": "http://127.0.0.1/a b"}, "InvalidParameterValue"),
        ({"Endpoint": None}, "MissingParameter"),
    ],
)
@pytest.mark.usefixtures("events")
async def test_a_subscription_that_cannot_be_is_refused(call: Call, params: dict[str, Any], code: str) -> None:
    await call("CreateCmqSubscribe", **{**SUBSCRIPTION, "SubscriptionName": "taken"})
    with refused(code):
        await call("CreateCmqSubscribe", **{**SUBSCRIPTION, **params})


@pytest.mark.usefixtures("events")
async def test_a_subscription_is_modified_cleared_and_deleted(call: Call) -> None:
    await call("CreateCmqSubscribe", **SUBSCRIPTION)
    name = {"TopicName": "events", "SubscriptionName": "JOBS"}
    await call("ModifyCmqSubscriptionAttribute", **name, NotifyStrategy="BACKOFF_RETRY", FilterTags=["red"])
    [view] = await subscriptions(call, TopicName="events")
    assert (view["NotifyStrategy"], view["FilterTags"]) == ("BACKOFF_RETRY", ["red"])
    await call("ClearCmqSubscriptionFilterTags", **name)
    [view] = await subscriptions(call, TopicName="events")
    assert (view["NotifyStrategy"], view["FilterTags"]) == ("BACKOFF_RETRY", [])
    with refused("FailedOperation"):
        await call("DeleteCmqTopic", TopicName="events")
    await call("DeleteCmqSubscribe", **name)
    assert await subscriptions(call, TopicName="events") == []
    with refused("ResourceNotFound"):
        await call("DeleteCmqSubscribe", **name)
    await call("DeleteCmqTopic", TopicName="events")


@pytest.mark.usefixtures("events")
async def test_subscriptions_are_found_by_topic_and_by_queue(call: Call) -> None:
    await call("CreateCmqTopic", TopicName="other")
    await call("CreateCmqSubscribe", **SUBSCRIPTION)
    await call("CreateCmqSubscribe", **{**SUBSCRIPTION, "TopicName": "other", "SubscriptionName": "second"})
    assert [one["SubscriptionName"] for one in await subscriptions(call, TopicName="other")] == ["second"]
    found = await subscriptions(call, QueueName="JOBS", QueryType="queue")
    assert [(one["TopicName"], one["SubscriptionName"]) for one in found] == [("events", "jobs"), ("other", "second")]
    assert await subscriptions(call, TopicName="events", SubscriptionName="sec") == []
    for params, code in (
        ({}, "MissingParameter"),
        ({"QueryType": "queue"}, "MissingParameter"),
        ({"QueryType": "other", "TopicName": "events"}, "InvalidParameterValue"),
        ({"TopicName": "nowhere"}, "ResourceNotFound.Topic"),
    ):
        with refused(code):
            await subscriptions(call, **params)


@pytest.mark.usefixtures("events")
async def test_publishing_reaches_the_queue(call: Call, broker: Broker) -> None:
    with refused("FailedOperation", "no subscription"):
        await call("PublishCmqMsg", TopicName="events", MsgContent="a")
    await call("CreateCmqSubscribe", **SUBSCRIPTION, FilterTag=["red"])
    published = await call("PublishCmqMsg", TopicName="events", MsgContent="a", MsgTag=["red", "x" * 64])
    assert published["Result"] is True
    assert re.fullmatch(r"[0-9A-F]{30,32}", published["MsgId"])
    with refused("FailedOperation", "filterTag"):
        await call("PublishCmqMsg", TopicName="events", MsgContent="b")
    with refused("InvalidParameterValue", "64"):
        await call("PublishCmqMsg", TopicName="events", MsgContent="b", MsgTag=["x" * 65])
    assert [message.body for message in broker.queues.get("jobs").peek()] == ["a"]


@pytest.mark.usefixtures("events")
async def test_on_a_routing_topic_the_tag_is_the_routing_key(call: Call, broker: Broker) -> None:
    await call("CreateCmqTopic", TopicName="routed", FilterType=2)
    await call("CreateCmqSubscribe", **{**SUBSCRIPTION, "TopicName": "routed"}, BindingKey=["job.*"])
    [view] = await subscriptions(call, TopicName="routed")
    assert view["BindingKey"] == ["job.*"]
    await call("PublishCmqMsg", TopicName="routed", MsgContent="a", MsgTag=["job.end"])
    for tags in (["job.end", "job.start"], []):
        with refused("InvalidParameterValue"):
            await call("PublishCmqMsg", TopicName="routed", MsgContent="b", MsgTag=tags)
    assert [message.body for message in broker.queues.get("jobs").peek()] == ["a"]
