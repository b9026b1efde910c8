# SPDX-License-Identifier: Apache-2.0
"""
The TDMQ service: every documented Cmq action by its name.

It reads requests and translates faults; all rules are the broker's, so that both planes agree.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from tencent_batch_emulator.services.base import Caller, Handler, Params
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.tc3_schema import Tc3Struct, read
from tencent_batch_emulator.services.tdmq import schema
from tencent_batch_emulator.services.tdmq.errors import api_error
from tencent_batch_emulator.services.tdmq.queues import QueueActions
from tencent_batch_emulator.services.tdmq.topics import TopicActions

Request = TypeVar("Request", bound=Tc3Struct)


class TdmqService:
    """
    The Cmq actions of the TDMQ API 2020-02-17.

    :param broker: Holds the queues, topics and subscriptions.
    """

    name = "tdmq"
    version = "2020-02-17"

    def __init__(self, broker: Broker) -> None:
        queues, topics = QueueActions(broker), TopicActions(broker)
        self._actions: dict[str, Handler] = {
            "CreateCmqQueue": _handler(schema.CreateQueue, queues.create),
            "DeleteCmqQueue": _handler(schema.QueueName, queues.delete),
            "DescribeCmqQueues": _handler(schema.DescribeQueues, queues.describe),
            "DescribeCmqQueueDetail": _handler(schema.QueueName, queues.describe_one),
            "ModifyCmqQueueAttribute": _handler(schema.QueueSettings, queues.modify),
            "ClearCmqQueue": _handler(schema.QueueName, queues.clear),
            "RewindCmqQueue": _handler(schema.RewindQueue, queues.rewind),
            "UnbindCmqDeadLetter": _handler(schema.UnbindDeadLetter, queues.unbind_dead_letters),
            "DescribeCmqDeadLetterSourceQueues": _handler(
                schema.DescribeDeadLetterSources, queues.describe_dead_letter_sources
            ),
            "SendCmqMsg": _handler(schema.SendMessage, queues.send),
            "CreateCmqTopic": _handler(schema.CreateTopic, topics.create),
            "DeleteCmqTopic": _handler(schema.TopicName, topics.delete),
            "DescribeCmqTopics": _handler(schema.DescribeTopics, topics.describe),
            "DescribeCmqTopicDetail": _handler(schema.TopicName, topics.describe_one),
            "ModifyCmqTopicAttribute": _handler(schema.ModifyTopic, topics.modify),
            "PublishCmqMsg": _handler(schema.PublishMessage, topics.publish),
            "CreateCmqSubscribe": _handler(schema.CreateSubscribe, topics.subscribe),
            "DeleteCmqSubscribe": _handler(schema.SubscriptionName, topics.unsubscribe),
            "DescribeCmqSubscriptionDetail": _handler(schema.DescribeSubscriptions, topics.describe_subscriptions),
            "ModifyCmqSubscriptionAttribute": _handler(schema.ModifySubscription, topics.modify_subscription),
            "ClearCmqSubscriptionFilterTags": _handler(schema.SubscriptionName, topics.clear_filter_tags),
        }

    @property
    def actions(self) -> Mapping[str, Handler]:
        """Every action that is implemented, by its documented name."""
        return self._actions


def _handler(request_type: type[Request], act: Callable[[Request], Awaitable[Params]]) -> Handler:
    async def handle(params: Params, caller: Caller) -> Params:
        try:
            return await act(read(params, request_type))
        except CmqFault as fault:
            raise api_error(fault) from fault

    return handle
