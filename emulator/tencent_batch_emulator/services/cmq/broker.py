# SPDX-License-Identifier: Apache-2.0
"""
The account's queues and topics, and the paths between them.

Both planes and the Batch service go through here. Messages enter by :meth:`Broker.send` and :meth:`Broker.publish`
only, and go from a topic into a queue by :meth:`Broker.forward`, so a fault
plan or a log overrides three methods and misses no message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.delivery import DeliveryQueue
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import ACCOUNT, STRICT, Limits
from tencent_batch_emulator.services.cmq.names import check_queue_name, fold, make_id
from tencent_batch_emulator.services.cmq.push import Pusher
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy, QueueAttributes
from tencent_batch_emulator.services.cmq.queues.queue import Queue
from tencent_batch_emulator.services.cmq.queues.visible import WINDOW
from tencent_batch_emulator.services.cmq.registry import NameRegistry
from tencent_batch_emulator.services.cmq.topic import (
    BY_TAG,
    DECAY,
    JSON,
    MAX_RETENTION,
    SIMPLIFIED,
    Publication,
    Subscription,
    Topic,
    check_topic_settings,
)


class Broker:
    """
    Keep queues, topics and subscriptions. Use it from one event loop and close it.

    :param clock: All times and timers.
    :param account: The owner's number (APPID).
    :param seed: For ids, handles, the order of messages and the times of retries.
    :param limits: What the account may have.
    :param window: How far messages are out of order; 1 for strict order.
    :param release_seconds: How long the name of a deleted queue or topic cannot be used again; 30 in the old service.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        account: int = ACCOUNT,
        seed: int = 0,
        limits: Limits = STRICT,
        window: int = WINDOW,
        release_seconds: float = 0.0,
    ) -> None:
        self.clock = clock
        self.account = account
        self.limits = limits
        self.queues: NameRegistry[Queue] = NameRegistry(
            missing=errors.queue_missing,
            exists=errors.queue_exists,
            full=errors.too_many_queues,
            most=limits.queues,
            release=release_seconds,
        )
        self.topics: NameRegistry[Topic] = NameRegistry(
            missing=errors.topic_missing,
            exists=errors.topic_exists,
            full=errors.too_many_topics,
            most=limits.topics,
            release=release_seconds,
        )
        self._rng = random.Random(seed)
        self._window = window
        self._pusher = Pusher(account, self._rng)
        self._lines: dict[str, DeliveryQueue] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Stop deliveries and end every wait."""
        for queue in self.queues:
            queue.close()
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._pusher.close()

    def create_queue(
        self,
        name: str,
        attributes: QueueAttributes | None = None,
        dead_letter_policy: DeadLetterPolicy | None = None,
        **settings: Any,
    ) -> Queue:
        """
        Create a queue.

        :param attributes: Its settings; the defaults otherwise.
        :param dead_letter_policy: Where messages go that nobody manages to consume.
        :param settings: Single attributes, for example ``visibility_timeout=5``.
        :raises CmqFault: 4000, 4440 (for the dead-letter queue), 4450, 4460 or 6040.
        """
        attributes = replace(attributes or QueueAttributes(), **settings)
        check_queue_name(name)
        attributes.check()
        self.queues.check_free(name, self.clock.time())
        queue = Queue(
            name,
            make_id(self._rng, "cmqq", 12),
            attributes,
            clock=self.clock,
            rng=self._rng,
            limits=self.limits,
            window=self._window,
        )
        if dead_letter_policy is not None:
            self.bind_dead_letters(queue, dead_letter_policy)
        self.queues.add(name, queue)
        return queue

    def delete_queue(self, name: str) -> None:
        """
        Delete a queue, its messages, and the subscriptions that point at it.

        :raises CmqFault: 4440, or 4000 when it is the dead-letter queue of another.
        """
        queue = self.queues.get(name)
        sources = self.dead_letter_sources(queue)
        if sources:
            names = ", ".join(each.name for each in sources)
            raise errors.dead_letters_refused(
                f"{queue.name} is the dead-letter queue of {names}; unbind it there first"
            )
        self.queues.remove(name, self.clock.time())
        queue.close()
        for subscription in self.subscriptions_of_queue(name):
            self.delete_subscription(subscription.topic.name, subscription.name)

    def bind_dead_letters(self, queue: Queue, policy: DeadLetterPolicy | None) -> None:
        """
        Set or clear the dead-letter policy of a queue.

        :raises CmqFault: 4440 when there is no such dead-letter queue, 4000 when it cannot be one for this queue.
        """
        if policy is None:
            queue.bind_dead_letters(None, None)
            return
        policy.check(queue.attributes.msg_retention_seconds)
        target = self.queues.get(policy.queue_name)
        sources = [each for each in self.dead_letter_sources(target) if each is not queue]
        if target is queue or target.dead_letter_policy is not None or self.dead_letter_sources(queue):
            raise errors.dead_letters_refused(
                f"{target.name} cannot be the dead-letter queue of {queue.name}: such a queue has none itself"
            )
        if len(sources) >= self.limits.dead_letter_sources:
            raise errors.dead_letters_refused(
                f"{target.name} is the dead-letter queue of {len(sources)} queues, that is as many as there may be"
            )
        queue.bind_dead_letters(policy, target)

    def dead_letter_sources(self, queue: Queue) -> list[Queue]:
        """Return the queues whose dead letters go to this one."""
        return [
            each
            for each in self.queues
            if each.dead_letter_policy is not None and fold(each.dead_letter_policy.queue_name) == fold(queue.name)
        ]

    def create_topic(
        self,
        name: str,
        *,
        filter_type: int = BY_TAG,
        max_msg_size: int = 65_536,
        msg_retention_seconds: int = MAX_RETENTION,
        trace: bool = False,
    ) -> Topic:
        """
        Create a topic.

        :param filter_type: 1 for tags, 2 for routing keys.
        :param max_msg_size: Bytes of the largest message.
        :param msg_retention_seconds: Seconds that a message is kept for a subscriber that does not take it.
        :param trace: Stored and shown, without effect.
        :raises CmqFault: 4000, 4450, 4460 or 6040.
        """
        now = self.clock.time()
        topic = Topic(
            name,
            make_id(self._rng, "cmqt", 12),
            filter_type=filter_type,
            max_msg_size=max_msg_size,
            msg_retention_seconds=msg_retention_seconds,
            trace=trace,
            now=now,
            limits=self.limits,
        )
        topic.check()
        self.topics.check_free(name, now)
        self.topics.add(name, topic)
        return topic

    def change_topic(
        self,
        name: str,
        *,
        max_msg_size: int | None = None,
        msg_retention_seconds: int | None = None,
        trace: bool | None = None,
    ) -> None:
        """
        Change a topic; None leaves a setting as it is.

        :raises CmqFault: 4000 or 4440.
        """
        topic = self.topics.get(name)
        size = topic.max_msg_size if max_msg_size is None else max_msg_size
        retention = topic.msg_retention_seconds if msg_retention_seconds is None else msg_retention_seconds
        check_topic_settings(size, retention)
        topic.max_msg_size, topic.msg_retention_seconds = size, retention
        topic.trace = topic.trace if trace is None else trace
        topic.modified = self.clock.time()

    def delete_topic(self, name: str) -> None:
        """
        Delete a topic.

        :raises CmqFault: 4440, or 4000 while it has subscriptions.
        """
        topic = self.topics.get(name)
        if topic.subscriptions:
            raise errors.topic_has_subscriptions(topic.name)
        self.topics.remove(name, self.clock.time())

    def create_subscription(
        self,
        topic_name: str,
        name: str,
        *,
        protocol: str,
        endpoint: str,
        notify_strategy: str = DECAY,
        notify_content_format: str | None = None,
        filter_tags: Sequence[str] = (),
        binding_keys: Sequence[str] = (),
    ) -> Subscription:
        """
        Subscribe a queue or a URL to a topic.

        :param protocol: ``queue`` or ``http``.
        :param endpoint: The queue's name, or a URL that starts with ``http://``.
        :param notify_strategy: ``EXPONENTIAL_DECAY_RETRY`` or ``BACKOFF_RETRY``.
        :param notify_content_format: ``SIMPLIFIED`` or ``JSON``; by default what the protocol takes.
        :raises CmqFault: 4000, 4440 (for the topic or the queue), 4490, 4500 or 4510.
        """
        topic = self.topics.get(topic_name)
        now = self.clock.time()
        subscription = Subscription(
            name=name,
            subscription_id=make_id(self._rng, "subsc", 8),
            topic=topic,
            protocol=protocol,
            endpoint=endpoint,
            notify_strategy=notify_strategy,
            notify_content_format=notify_content_format or (JSON if protocol == "http" else SIMPLIFIED),
            filter_tags=tuple(filter_tags),
            binding_keys=tuple(binding_keys),
            created=now,
            modified=now,
        )
        subscription.check(self.limits)
        if fold(name) in topic.subscriptions:
            raise errors.subscription_exists(name)
        if len(topic.subscriptions) >= self.limits.subscriptions:
            raise errors.too_many_subscriptions()
        if protocol == "queue":
            self.queues.get(endpoint)
        topic.subscriptions[fold(name)] = subscription
        self._lines[subscription.subscription_id] = DeliveryQueue(subscription, self._deliver, self.clock, self._rng)
        return subscription

    def change_subscription(
        self,
        topic_name: str,
        name: str,
        *,
        notify_strategy: str | None = None,
        notify_content_format: str | None = None,
        filter_tags: Sequence[str] | None = None,
        binding_keys: Sequence[str] | None = None,
    ) -> None:
        """
        Change a subscription; None leaves a setting as it is.

        :raises CmqFault: 4000 or 4440.
        """
        subscription = self.topics.get(topic_name).subscription(name)
        given: dict[str, Any] = {
            "notify_strategy": notify_strategy,
            "notify_content_format": notify_content_format,
            "filter_tags": None if filter_tags is None else tuple(filter_tags),
            "binding_keys": None if binding_keys is None else tuple(binding_keys),
        }
        given = {key: value for key, value in given.items() if value is not None}
        replace(subscription, **given).check(self.limits)
        for key, value in given.items():
            setattr(subscription, key, value)
        subscription.modified = self.clock.time()

    def delete_subscription(self, topic_name: str, name: str) -> None:
        """
        Take a subscription off its topic; what waits for the subscriber is dropped.

        :raises CmqFault: 4440.
        """
        topic = self.topics.get(topic_name)
        subscription = topic.subscription(name)
        del topic.subscriptions[fold(name)]
        task = asyncio.get_running_loop().create_task(self._lines.pop(subscription.subscription_id).close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def subscriptions_of_queue(self, name: str) -> list[Subscription]:
        """Return the subscriptions that point at a queue."""
        return [
            subscription
            for topic in self.topics
            for subscription in topic.subscriptions.values()
            if subscription.protocol == "queue" and fold(subscription.endpoint) == fold(name)
        ]

    def waiting(self, subscription: Subscription) -> int:
        """Return how many messages wait for a subscriber."""
        return len(self._lines[subscription.subscription_id])

    async def send(self, queue_name: str, bodies: Sequence[str], delay: int = 0) -> list[str]:
        """
        Send messages to a queue, all or none.

        :param delay: Seconds until they can be received.
        :return: Their ids.
        :raises CmqFault: What the queue says.
        """
        return self.queues.get(queue_name).send(bodies, delay)

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
        Publish a message: queues have it when this returns, ``http`` subscribers get it soon.

        :param tags: For a topic that filters by tags.
        :param routing_key: For one that filters by routing keys.
        :param longest_tag: Characters that a tag may have; the limit of the data plane by default.
        :return: The message's id.
        :raises CmqFault: 4000, 4400, 4440, or 6030 when nobody wants it.
        """
        topic = self.topics.get(topic_name)
        receivers = topic.receivers(body, tags, routing_key, longest_tag or self.limits.tag_length)
        message_id = f"{self._rng.getrandbits(128):032X}"
        publication = Publication(message_id, body, tuple(tags), self.clock.time())
        for subscription in receivers:
            line = self._lines[subscription.subscription_id]
            if subscription.protocol == "queue" and not line and not self.forward(subscription, publication):
                continue
            line.put(publication)
        return message_id

    def forward(self, subscription: Subscription, publication: Publication) -> str:
        """
        Put a message of a topic into the queue that subscribes to it.

        :return: An empty text, or why the queue does not take it: then it waits and is tried again.
        """
        try:
            self.queues.get(subscription.endpoint).send([publication.body])
        except CmqFault as fault:
            return str(fault)
        return ""

    async def _deliver(self, subscription: Subscription, publication: Publication) -> str:
        if subscription.protocol == "queue":
            return self.forward(subscription, publication)
        return await self._pusher.push(subscription, publication)
