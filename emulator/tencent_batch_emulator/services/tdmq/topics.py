# SPDX-License-Identifier: Apache-2.0
"""
The actions on topics and subscriptions.

Settings that were not sent are left to the broker, so that both planes and Python have the same defaults.

Sources:

- CreateCmqTopic: https://cloud.tencent.com/document/product/1179/55915
- DeleteCmqTopic: https://cloud.tencent.com/document/product/1179/55912
- DescribeCmqTopics: https://cloud.tencent.com/document/product/1179/55906
- DescribeCmqTopicDetail: https://cloud.tencent.com/document/product/1179/55907
- ModifyCmqTopicAttribute: https://cloud.tencent.com/document/product/1179/55903
- PublishCmqMsg: https://cloud.tencent.com/document/product/1179/55920
- CreateCmqSubscribe: https://cloud.tencent.com/document/product/1179/55916
- DeleteCmqSubscribe: https://cloud.tencent.com/document/product/1179/55913
- DescribeCmqSubscriptionDetail: https://cloud.tencent.com/document/product/1179/55908
- ModifyCmqSubscriptionAttribute: https://cloud.tencent.com/document/product/1179/55904
- ClearCmqSubscriptionFilterTags: https://cloud.tencent.com/document/product/1179/55921
"""

from __future__ import annotations

from typing import Any

import msgspec

from tencent_batch_emulator.services.base import ApiError, Params
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.topic import BY_ROUTING_KEY
from tencent_batch_emulator.services.tc3_schema import Tc3Struct
from tencent_batch_emulator.services.tdmq import schema
from tencent_batch_emulator.services.tdmq.lists import named, paged, tagged
from tencent_batch_emulator.services.tdmq.views import subscription_view, topic_view

_LONGEST_TAG = 64
"""Characters; this plane takes longer tags than the data plane."""


class TopicActions:
    """
    Do what the requests on topics and subscriptions ask for.

    :param broker: Holds the topics.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def create(self, request: schema.CreateTopic) -> Params:
        topic = self._broker.create_topic(
            request.topic_name,
            **_given(request, "filter_type", "max_msg_size", "msg_retention_seconds", "trace"),
        )
        topic.tags = [msgspec.to_builtins(tag) for tag in request.tags]
        return {"TopicId": topic.topic_id}

    async def modify(self, request: schema.ModifyTopic) -> Params:
        self._broker.change_topic(
            request.topic_name,
            max_msg_size=request.max_msg_size,
            msg_retention_seconds=request.msg_retention_seconds,
            trace=request.trace,
        )
        return {}

    async def delete(self, request: schema.TopicName) -> Params:
        self._broker.delete_topic(request.topic_name)
        return {}

    async def describe(self, request: schema.DescribeTopics) -> Params:
        topics = tagged(named(self._broker.topics, request.topic_name, request.topic_name_list), request)
        return paged(topics, request, "TopicList", lambda topic: topic_view(self._broker, topic))

    async def describe_one(self, request: schema.TopicName) -> Params:
        return {"TopicDescribe": topic_view(self._broker, self._broker.topics.get(request.topic_name))}

    async def publish(self, request: schema.PublishMessage) -> Params:
        tags, routing_key = request.msg_tag, None
        if self._broker.topics.get(request.topic_name).filter_type == BY_ROUTING_KEY:
            if len(tags) > 1:
                raise ApiError("InvalidParameterValue", "MsgTag carries one routing key on a topic of FilterType 2.")
            tags, routing_key = [], tags[0] if tags else None
        message_id = await self._broker.publish(
            request.topic_name, request.msg_content, tags=tags, routing_key=routing_key, longest_tag=_LONGEST_TAG
        )
        return {"Result": True, "MsgId": message_id}

    async def subscribe(self, request: schema.CreateSubscribe) -> Params:
        subscription = self._broker.create_subscription(
            request.topic_name,
            request.subscription_name,
            protocol=request.protocol,
            endpoint=request.endpoint,
            filter_tags=request.filter_tag,
            binding_keys=request.binding_key,
            **_given(request, "notify_strategy", "notify_content_format"),
        )
        return {"SubscriptionId": subscription.subscription_id}

    async def modify_subscription(self, request: schema.ModifySubscription) -> Params:
        self._broker.change_subscription(
            request.topic_name,
            request.subscription_name,
            notify_strategy=request.notify_strategy,
            notify_content_format=request.notify_content_format,
            filter_tags=request.filter_tags,
            binding_keys=request.binding_key,
        )
        return {}

    async def clear_filter_tags(self, request: schema.SubscriptionName) -> Params:
        self._broker.change_subscription(request.topic_name, request.subscription_name, filter_tags=())
        return {}

    async def unsubscribe(self, request: schema.SubscriptionName) -> Params:
        self._broker.delete_subscription(request.topic_name, request.subscription_name)
        return {}

    async def describe_subscriptions(self, request: schema.DescribeSubscriptions) -> Params:
        if request.query_type == "queue":
            if not request.queue_name:
                raise ApiError("MissingParameter", "The parameter QueueName is required for QueryType=queue.")
            subscriptions = self._broker.subscriptions_of_queue(request.queue_name)
        elif request.query_type == "topic":
            if not request.topic_name:
                raise ApiError("MissingParameter", "The parameter TopicName is required for QueryType=topic.")
            subscriptions = list(self._broker.topics.get(request.topic_name).subscriptions.values())
        else:
            raise ApiError("InvalidParameterValue", f"QueryType={request.query_type!r}: use topic or queue.")
        subscriptions = named(subscriptions, request.subscription_name)
        return paged(subscriptions, request, "SubscriptionSet", lambda one: subscription_view(self._broker, one))


def _given(request: Tc3Struct, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(request, name)) is not None}
