# SPDX-License-Identifier: Apache-2.0
"""What is read back: every documented field, null where the published samples have null."""

from __future__ import annotations

import re

from helpers.tdmq_calls import Call, detail
from tencentcloud.tdmq.v20200217 import models

from tencent_batch_emulator.clock import Clock

SUBSCRIPTION = {"TopicName": "events", "SubscriptionName": "jobs", "Protocol": "queue", "Endpoint": "jobs"}


async def test_a_new_queue_shows_the_documented_defaults(call: Call) -> None:
    created = await call("CreateCmqQueue", QueueName="jobs")
    assert re.fullmatch(r"cmqq-[a-z0-9]{6,12}", created["QueueId"])
    view = await detail(call, "JOBS")
    assert set(view) == {name[1:] for name in vars(models.CmqQueue())}
    assert view == {
        **view,
        "QueueId": created["QueueId"],
        "QueueName": "jobs",
        "PollingWaitSeconds": 0,
        "VisibilityTimeout": 30,
        "MaxMsgSize": 1_048_576,
        "MsgRetentionSeconds": 3600,
        "RewindSeconds": 0,
        "MaxDelaySeconds": 3600,
        "CreateTime": 1_700_000_000_250,
        "LastModifyTime": 1_700_000_000_250,
        "TenantId": "cmq-1250000001",
        "NamespaceName": "CMQ_QUEUE-jobs",
        "Status": 1,
        "MaxUnackedMsgNum": 100_000,
        "MaxMsgBacklogSize": 10_737_418_240,
        **dict.fromkeys(["RewindMsgNum", "MinMsgTime", "Transaction", "TransactionPolicy", "Tags"]),
        **dict.fromkeys(["DeadLetterSource", "DeadLetterPolicy"]),
    }


async def test_a_transactional_queue_shows_its_policy(call: Call) -> None:
    await call("CreateCmqQueue", QueueName="jobs", Transaction=1, FirstQueryInterval=30, MaxQueryCount=5)
    view = await detail(call)
    assert view["Transaction"] is True
    assert view["TransactionPolicy"] == {"FirstQueryInterval": 30, "MaxQueryCount": 5}


async def test_a_new_topic_shows_the_documented_defaults(call: Call) -> None:
    created = await call("CreateCmqTopic", TopicName="events")
    assert re.fullmatch(r"cmqt-[a-z0-9]{6,12}", created["TopicId"])
    view = (await call("DescribeCmqTopicDetail", TopicName="EVENTS"))["TopicDescribe"]
    assert set(view) == {name[1:] for name in vars(models.CmqTopic())}
    assert view == {
        **view,
        "TopicId": created["TopicId"],
        "TopicName": "events",
        "FilterType": 1,
        "MaxMsgSize": 65_536,
        "MsgRetentionSeconds": 86_400,
        "CreateTime": 1_700_000_000_250,
        "NamespaceName": "CMQ_TOPIC-events",
        "Status": 1,
        "SubscriptionCount": 0,
        "MsgCount": 0,
    }


async def test_a_subscription_shows_its_queue_and_filter(call: Call) -> None:
    await call("CreateCmqTopic", TopicName="events")
    await call("CreateCmqQueue", QueueName="jobs")
    created = await call("CreateCmqSubscribe", **SUBSCRIPTION, FilterTag=["red"])
    assert re.fullmatch(r"subsc-[a-z0-9]{8}", created["SubscriptionId"])
    [view] = (await call("DescribeCmqSubscriptionDetail", TopicName="events"))["SubscriptionSet"]
    assert set(view) == {name[1:] for name in vars(models.CmqSubscription())}
    assert view == {
        "SubscriptionName": "jobs",
        "SubscriptionId": created["SubscriptionId"],
        "TopicOwner": 1250000001,
        "MsgCount": 0,
        "LastModifyTime": 1_700_000_000,
        "CreateTime": 1_700_000_000,
        "BindingKey": None,
        "Endpoint": "jobs",
        "FilterTags": ["red"],
        "Protocol": "queue",
        "NotifyStrategy": "EXPONENTIAL_DECAY_RETRY",
        "NotifyContentFormat": "SIMPLIFIED",
        "TopicName": "events",
    }
    topic = (await call("DescribeCmqTopicDetail", TopicName="events"))["TopicDescribe"]
    assert topic["SubscriptionCount"] == 1


async def test_times_are_milliseconds_but_for_subscriptions(call: Call, clock: Clock) -> None:
    await call("CreateCmqTopic", TopicName="events")
    await call("CreateCmqQueue", QueueName="jobs")
    await call("CreateCmqSubscribe", **SUBSCRIPTION)
    clock.advance(60)
    await call("ModifyCmqQueueAttribute", QueueName="jobs", VisibilityTimeout=60)
    await call("ModifyCmqTopicAttribute", TopicName="events", MaxMsgSize=2048)
    await call("ModifyCmqSubscriptionAttribute", TopicName="events", SubscriptionName="jobs", FilterTags=["red"])
    topic = (await call("DescribeCmqTopicDetail", TopicName="events"))["TopicDescribe"]
    [subscription] = (await call("DescribeCmqSubscriptionDetail", TopicName="events"))["SubscriptionSet"]
    passed = [view["LastModifyTime"] - view["CreateTime"] for view in (await detail(call), topic, subscription)]
    assert passed == [60_000, 60_000, 60]


async def test_a_topic_counts_what_its_queue_does_not_take(call: Call) -> None:
    await call("CreateCmqTopic", TopicName="events")
    await call("CreateCmqQueue", QueueName="jobs", MaxMsgSize=1024)
    await call("CreateCmqSubscribe", **SUBSCRIPTION)
    await call("PublishCmqMsg", TopicName="events", MsgContent="x" * 2000)
    topic = (await call("DescribeCmqTopicDetail", TopicName="events"))["TopicDescribe"]
    [subscription] = (await call("DescribeCmqSubscriptionDetail", TopicName="events"))["SubscriptionSet"]
    assert (topic["MsgCount"], subscription["MsgCount"]) == (1, 1)
