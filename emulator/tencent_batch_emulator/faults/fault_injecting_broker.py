# SPDX-License-Identifier: Apache-2.0
"""
A broker that injects faults: messages meet the fault plan as they come in, and as a topic forwards them.

A message that is dropped is answered like one that arrived, as a client sees a loss. A batch whose messages meet faults
goes in one by one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.message_faults import MessageFaults
from tencent_batch_emulator.faults.rules import FaultPlan
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.topic import Publication, Subscription


class FaultInjectingBroker(Broker):
    """
    Keep queues, topics and subscriptions, and apply the fault plan to messages.

    :param clock: All times and timers.
    :param plan: The faults.
    :param seed: For the broker and for the order of held messages.
    :param settings: What :class:`Broker` takes besides.
    """

    def __init__(self, clock: Clock, plan: FaultPlan, *, seed: int = 0, **settings: Any) -> None:
        super().__init__(clock, seed=seed, **settings)
        self._plan = plan
        self._faults = MessageFaults(plan, clock, seed)

    async def close(self) -> None:
        """Stop deliveries, also of what is delayed or held, and end every wait."""
        await self._faults.close()
        await super().close()

    async def send(self, queue_name: str, bodies: Sequence[str], delay: int = 0) -> list[str]:
        """
        Send messages to a queue; see :meth:`Broker.send`.

        :raises CmqFault: What the queue says of those that arrive at once.
        """
        if self._faults.is_idle:
            return await super().send(queue_name, bodies, delay)
        queue = self.queues.get(queue_name)

        async def deliver(body: str) -> str:
            return queue.send([body], delay)[0]

        return [await self._faults.apply({"queue": queue.name}, body, deliver) or _message_id() for body in bodies]

    async def publish(
        self,
        topic_name: str,
        body: str,
        *,
        tags: Sequence[str] = (),
        routing_key: str | None = None,
        longest_tag: int | None = None,
    ) -> str:
        """
        Publish a message; see :meth:`Broker.publish`.

        :raises CmqFault: What the topic says of one that arrives at once.
        """
        publish = super().publish

        async def deliver(body: str) -> str:
            return await publish(topic_name, body, tags=tags, routing_key=routing_key, longest_tag=longest_tag)

        if self._faults.is_idle:
            return await deliver(body)
        return await self._faults.apply({"topic": topic_name}, body, deliver) or _message_id()

    def forward(self, subscription: Subscription, publication: Publication) -> str:
        """Put a message of a topic into a queue, now or later; see :meth:`Broker.forward`."""
        if not self._plan.meets_queues:
            return super().forward(subscription, publication)
        put = super().forward

        async def deliver(body: str) -> None:
            put(subscription, replace(publication, body=body))

        traits = {"queue": subscription.endpoint, "topic": subscription.topic.name}
        self._faults.apply_later(traits, publication.body, deliver)
        return ""


def _message_id() -> str:
    return secrets.token_hex(16).upper()
