# SPDX-License-Identifier: Apache-2.0
"""The vendor's TDMQ SDK, sync and async, unmodified, against the emulator's port: every Cmq action, errors included."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from helpers.action_trials import try_action
from helpers.vendor_actions import TDMQ
from helpers.vendor_sdk import KINDS, Sdk, actions_of

from tencent_batch_emulator.emulator import Emulator

# The rest of TDMQ is Pulsar, RocketMQ and RabbitMQ.
FOR_CMQ = "Cmq"


@pytest.fixture(params=KINDS)
async def tdmq(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[Sdk]:
    async with Sdk("tdmq", request.param, emulator) as sdk:
        yield sdk


@pytest.mark.parametrize("kind", KINDS)
def test_the_sdk_has_no_action_for_cmq_that_is_not_tried_here(kind: str) -> None:
    offered = {action for action in actions_of("tdmq", kind) if FOR_CMQ in action or "DeadLetter" in action}
    assert offered == set(TDMQ)


@pytest.mark.parametrize("action", TDMQ)
async def test_every_action_is_refused_throttled_and_done(tdmq: Sdk, emulator: Emulator, action: str) -> None:
    await try_action(tdmq, emulator, "tdmq", action)


async def test_queues_topics_and_subscriptions_live_and_end(tdmq: Sdk, emulator: Emulator) -> None:
    jobs, events = {"QueueName": "jobs"}, {"TopicName": "events"}
    subscription = {**events, "SubscriptionName": "jobs"}
    tags = [{"TagKey": "team", "TagValue": "a"}]

    assert (await tdmq.call("CreateCmqQueue", QueueName="dead")).QueueId.startswith("cmqq-")
    dead_letters = {"DeadLetterQueueName": "dead", "Policy": 0, "MaxReceiveCount": 3}
    created = await tdmq.call("CreateCmqQueue", **jobs, RewindSeconds=600, Tags=tags, **dead_letters)
    assert await tdmq.error("CreateCmqQueue", **jobs) == "ResourceInUse.Queue"
    await tdmq.call("ModifyCmqQueueAttribute", **jobs, VisibilityTimeout=60)
    queue = (await tdmq.call("DescribeCmqQueueDetail", **jobs)).QueueDescribe
    assert (queue.QueueId, queue.VisibilityTimeout, queue.Tags[0].TagValue) == (created.QueueId, 60, "a")
    assert queue.DeadLetterPolicy.DeadLetterQueue == "dead"
    dead = (await tdmq.call("DescribeCmqQueueDetail", QueueName="dead")).QueueDescribe
    assert dead.DeadLetterSource[0].QueueName == "jobs"
    assert await tdmq.error("DeleteCmqQueue", QueueName="dead") == "FailedOperation"
    await tdmq.call("UnbindCmqDeadLetter", SourceQueueName="jobs")

    assert (await tdmq.call("CreateCmqTopic", **events)).TopicId.startswith("cmqt-")
    assert await tdmq.error("CreateCmqTopic", **events) == "ResourceInUse.Topic"
    await tdmq.call("ModifyCmqTopicAttribute", **events, MaxMsgSize=2048)
    assert (await tdmq.call("DescribeCmqTopicDetail", **events)).TopicDescribe.MaxMsgSize == 2048
    topics = await tdmq.call("DescribeCmqTopics", TopicName="event", Offset=0, Limit=50)
    assert (topics.TotalCount, topics.TopicList[0].TopicName) == (1, "events")
    assert await tdmq.error("DescribeCmqTopicDetail", TopicName="nowhere") == "ResourceNotFound.Topic"

    target = {"Protocol": "queue", "Endpoint": "jobs", "FilterTag": ["red"]}
    assert (await tdmq.call("CreateCmqSubscribe", **subscription, **target)).SubscriptionId.startswith("subsc-")
    assert await tdmq.error("CreateCmqSubscribe", **subscription, **target) == "ResourceInUse.Subscription"
    await tdmq.call("ModifyCmqSubscriptionAttribute", **subscription, FilterTags=["blue"])
    found = await tdmq.call("DescribeCmqSubscriptionDetail", **events)
    assert (found.TotalCount, found.SubscriptionSet[0].FilterTags) == (1, ["blue"])
    assert await tdmq.error("PublishCmqMsg", **events, MsgContent="a", MsgTag=["red"]) == "FailedOperation"
    await tdmq.call("ClearCmqSubscriptionFilterTags", **subscription)
    published = await tdmq.call("PublishCmqMsg", **events, MsgContent="a", MsgTag=["red"])
    sent = await tdmq.call("SendCmqMsg", **jobs, MsgContent="b", DelaySeconds=0)
    assert published.Result is sent.Result is True

    by_tag = [{"Name": "tag:team", "Values": ["a"]}]
    queues = await tdmq.call("DescribeCmqQueues", QueueName="jo", IsTagFilter=True, Filters=by_tag)
    assert (queues.TotalCount, queues.QueueList[0].ActiveMsgNum) == (1, 2)
    for receipt in await emulator.broker.queues.get("jobs").receive(16):
        emulator.broker.queues.get("jobs").delete(receipt.handle)
    await tdmq.call("RewindCmqQueue", **jobs, StartConsumeTime=int((emulator.clock.time() - 60) * 1000))
    assert (await tdmq.call("DescribeCmqQueueDetail", **jobs)).QueueDescribe.ActiveMsgNum == 2
    await tdmq.call("ClearCmqQueue", **jobs)
    assert (await tdmq.call("DescribeCmqQueueDetail", **jobs)).QueueDescribe.ActiveMsgNum == 0

    await tdmq.call("DeleteCmqSubscribe", **subscription)
    await tdmq.call("DeleteCmqTopic", **events)
    await tdmq.call("DeleteCmqQueue", **jobs)
    assert await tdmq.error("DeleteCmqQueue", **jobs) == "ResourceNotFound"
