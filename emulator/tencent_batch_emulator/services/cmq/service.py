# SPDX-License-Identifier: Apache-2.0
"""
The data plane: actions by name, parameters in, a JSON body out.

The types in an answer are fixed, since the vendor's Java SDK reads them strictly: ids, handles and bodies are text,
times and counts whole numbers. Every outcome is an answer; only a cancellation leaves :meth:`CmqService.handle` as an
exception.

Sources:

- actions that TDMQ kept: https://cloud.tencent.com/document/product/1496/127322
- old actions: https://cloud.tencent.com/document/product/406/5837
- deleting a batch: https://www.tencentcloud.com/document/product/1111/46420
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq import params as read
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.message import Receipt
from tencent_batch_emulator.services.cmq.names import check_queue_name, check_topic_name
from tencent_batch_emulator.services.cmq.queues.queue import Queue
from tencent_batch_emulator.services.cmq.topic import Topic

log = structlog.get_logger(__name__)

Answer = dict[str, Any]
Action = Callable[[read.Params, str], Awaitable[Answer]]


class CmqService:
    """
    Answer data-plane requests.

    :param broker: Holds the queues and topics.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.actions: dict[str, Action] = {
            "SendMessage": self._send,
            "BatchSendMessage": self._batch_send,
            "ReceiveMessage": self._receive,
            "BatchReceiveMessage": self._batch_receive,
            "DeleteMessage": self._delete,
            "BatchDeleteMessage": self._batch_delete,
            "PublishMessage": self._publish,
            "BatchPublishMessage": self._batch_publish,
            "QueryQueueRoute": self._queue_route,
            "QueryTopicRoute": self._topic_route,
        }

    async def handle(self, params: dict[str, str], host: str) -> Answer:
        """
        Answer one request, after the long poll that it may ask for.

        :param params: The decoded parameters of a request whose signature has been verified.
        :param host: Where it was sent, for the route queries.
        :return: The body of the answer without ``requestId``.
        """
        name = params.get("Action", "")
        try:
            action = self.actions.get(name)
            if action is None:
                raise errors.action_missing(name) if name else errors.parameter_missing("Action")
            return {"code": 0, "message": "", **await action(params, host)}
        except CmqFault as fault:
            return _refused(fault)
        except Exception:
            log.exception("data-plane action failed", action=name)
            return _refused(errors.server_error())

    async def _send(self, params: read.Params, host: str) -> Answer:
        return {"msgId": (await self._send_all(params, [params.get("msgBody", "")]))[0]}

    async def _batch_send(self, params: read.Params, host: str) -> Answer:
        bodies = read.batch(params, "msgBody", self._broker.limits.batch)
        return {"msgList": [{"msgId": message_id} for message_id in await self._send_all(params, bodies)]}

    async def _send_all(self, params: read.Params, bodies: list[str]) -> list[str]:
        queue = self._queue(params)
        queue.sends.count(self._broker.clock.time())
        return await self._broker.send(queue.name, bodies, read.whole_number(params, "delaySeconds", 0))

    async def _receive(self, params: read.Params, host: str) -> Answer:
        return _received((await self._receive_some(params, 1))[0])

    async def _batch_receive(self, params: read.Params, host: str) -> Answer:
        wanted = read.within("numOfMsg", read.whole_number(params, "numOfMsg"), 1, self._broker.limits.batch)
        return {"msgInfoList": [_received(receipt) for receipt in await self._receive_some(params, wanted)]}

    async def _receive_some(self, params: read.Params, wanted: int) -> list[Receipt]:
        queue = self._queue(params)
        seconds = read.whole_number(params, "pollingWaitSeconds", queue.attributes.polling_wait_seconds)
        read.within("pollingWaitSeconds", seconds, 0, self._broker.limits.polling_wait)
        queue.receives.count(self._broker.clock.time())
        receipts = await queue.receive(wanted, seconds)
        if not receipts:
            raise errors.no_message()
        return receipts

    async def _delete(self, params: read.Params, host: str) -> Answer:
        queue = self._queue(params)
        queue.delete(read.text(params, "receiptHandle"))
        return {}

    async def _batch_delete(self, params: read.Params, host: str) -> Answer:
        queue = self._queue(params)
        handles = read.batch(params, "receiptHandle", self._broker.limits.batch)
        failed = []
        for handle in handles:
            try:
                queue.delete(handle)
            except CmqFault as fault:
                failed.append({"code": fault.code, "message": "invalid receiptHandle", "receiptHandle": handle})
        if not failed:
            return {}
        return {**_refused(errors.deletes_failed(all_of_them=len(failed) == len(handles))), "errorList": failed}

    async def _publish(self, params: read.Params, host: str) -> Answer:
        return {"msgId": (await self._publish_all(params, [params.get("msgBody", "")]))[0]}

    async def _batch_publish(self, params: read.Params, host: str) -> Answer:
        bodies = read.batch(params, "msgBody", self._broker.limits.batch)
        return {"msgList": [{"msgId": message_id} for message_id in await self._publish_all(params, bodies)]}

    async def _publish_all(self, params: read.Params, bodies: list[str]) -> list[str]:
        topic = self._topic(params)
        topic.rate.count(self._broker.clock.time())
        tags = read.optional_list(params, "msgTag")
        routing_key = params.get("routingKey") or None
        if sum(len(body.encode()) for body in bodies) > self._broker.limits.batch_bytes:
            raise errors.batch_too_large()
        for body in bodies:
            topic.receivers(body, tags, routing_key, self._broker.limits.tag_length)
        return [await self._broker.publish(topic.name, body, tags=tags, routing_key=routing_key) for body in bodies]

    async def _queue_route(self, params: read.Params, host: str) -> Answer:
        self._queue(params)
        return {"addr": [host]}

    async def _topic_route(self, params: read.Params, host: str) -> Answer:
        self._topic(params)
        return {"addr": [host]}

    def _queue(self, params: read.Params) -> Queue:
        name = read.text(params, "queueName")
        if name not in self._broker.queues:
            check_queue_name(name)
        return self._broker.queues.get(name)

    def _topic(self, params: read.Params) -> Topic:
        name = read.text(params, "topicName")
        if name not in self._broker.topics:
            check_topic_name(name)
        return self._broker.topics.get(name)


def _refused(fault: CmqFault) -> Answer:
    return {"code": fault.code, "message": fault.message}


def _received(receipt: Receipt) -> Answer:
    return {
        "msgBody": receipt.body,
        "msgId": receipt.message_id,
        "receiptHandle": receipt.handle,
        "enqueueTime": int(receipt.enqueued),
        "nextVisibleTime": int(receipt.next_visible),
        "firstDequeueTime": int(receipt.first_dequeued),
        "dequeueCount": receipt.dequeue_count,
    }
