# SPDX-License-Identifier: Apache-2.0
"""
The actions on queues.

Attributes are checked as a whole before anything is changed: a request that is refused leaves the queue as it was.

Sources:

- CreateCmqQueue: https://cloud.tencent.com/document/product/1179/55917
- DeleteCmqQueue: https://cloud.tencent.com/document/product/1179/55914
- DescribeCmqQueues: https://cloud.tencent.com/document/product/1179/55909
- DescribeCmqQueueDetail: https://cloud.tencent.com/document/product/1179/55910
- ModifyCmqQueueAttribute: https://cloud.tencent.com/document/product/1179/55905
- ClearCmqQueue: https://cloud.tencent.com/document/product/1179/55922
- RewindCmqQueue: https://cloud.tencent.com/document/product/1179/55902
- UnbindCmqDeadLetter: https://cloud.tencent.com/document/product/1179/55901
- DescribeCmqDeadLetterSourceQueues: https://cloud.tencent.com/document/product/1179/55911
- SendCmqMsg: https://cloud.tencent.com/document/product/1179/55919
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tencent_batch_emulator.services.base import Params
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy, QueueAttributes
from tencent_batch_emulator.services.tdmq import schema
from tencent_batch_emulator.services.tdmq.lists import named, paged, tagged
from tencent_batch_emulator.services.tdmq.views import queue_view, source_view

_ATTRIBUTES = tuple(QueueAttributes.__dataclass_fields__)
_MILLISECONDS_FROM = 100_000_000_000


class QueueActions:
    """
    Do what the requests on queues ask for.

    :param broker: Holds the queues.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def create(self, request: schema.CreateQueue) -> Params:
        policy = _policy(request, None)
        queue = self._broker.create_queue(request.queue_name, dead_letter_policy=policy, **_given(request))
        queue.tags = [msgspec.to_builtins(tag) for tag in request.tags]
        return {"QueueId": queue.queue_id}

    async def modify(self, request: schema.QueueSettings) -> Params:
        queue = self._broker.queues.get(request.queue_name)
        attributes = replace(queue.attributes, **_given(request))
        attributes.check()
        before = queue.dead_letter_policy
        policy = _policy(request, before)
        if policy is not None:
            policy.check(attributes.msg_retention_seconds)
        if policy != before:
            self._broker.bind_dead_letters(queue, policy)
        queue.change(attributes)
        return {}

    async def delete(self, request: schema.QueueName) -> Params:
        self._broker.delete_queue(request.queue_name)
        return {}

    async def describe(self, request: schema.DescribeQueues) -> Params:
        queues = tagged(named(self._broker.queues, request.queue_name, request.queue_name_list), request)
        return paged(queues, request, "QueueList", lambda queue: queue_view(self._broker, queue, in_list=True))

    async def describe_one(self, request: schema.QueueName) -> Params:
        return {"QueueDescribe": queue_view(self._broker, self._broker.queues.get(request.queue_name))}

    async def clear(self, request: schema.QueueName) -> Params:
        self._broker.queues.get(request.queue_name).clear()
        return {}

    async def rewind(self, request: schema.RewindQueue) -> Params:
        # The unit is documented nowhere: the published sample is in milliseconds, the old SDK sent seconds.
        start = request.start_consume_time
        seconds = start / 1000 if start >= _MILLISECONDS_FROM else start
        self._broker.queues.get(request.queue_name).rewind(seconds)
        return {}

    async def unbind_dead_letters(self, request: schema.UnbindDeadLetter) -> Params:
        self._broker.bind_dead_letters(self._broker.queues.get(request.source_queue_name), None)
        return {}

    async def describe_dead_letter_sources(self, request: schema.DescribeDeadLetterSources) -> Params:
        target = self._broker.queues.get(request.dead_letter_queue_name)
        sources = named(self._broker.dead_letter_sources(target), request.source_queue_name)
        return paged(sources, request, "QueueSet", source_view)

    async def send(self, request: schema.SendMessage) -> Params:
        message_ids = await self._broker.send(request.queue_name, [request.msg_content], request.delay_seconds)
        return {"Result": True, "MsgId": message_ids[0]}


def _given(request: schema.QueueSettings) -> dict[str, Any]:
    return {name: value for name in _ATTRIBUTES if (value := getattr(request, name)) is not None}


def _policy(request: schema.QueueSettings, before: DeadLetterPolicy | None) -> DeadLetterPolicy | None:
    settings = {
        "queue_name": request.dead_letter_queue_name or None,
        "policy": request.policy,
        "max_receive_count": request.max_receive_count,
        "max_time_to_live": request.max_time_to_live,
    }
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if before is not None:
        return replace(before, **given)
    return DeadLetterPolicy(**given) if "queue_name" in given else None
