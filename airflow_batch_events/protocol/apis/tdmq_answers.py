# SPDX-License-Identifier: Apache-2.0
"""
The TDMQ API's answers about queues, topics and subscriptions as values.

Only names have to be there: the documentation contradicts itself about ranges and defaults, so nothing is checked, and
``raw`` keeps what has no field here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import field
from pendulum import DateTime

from airflow_batch_events.protocol.apis.fields import View, text, whole
from airflow_batch_events.times import parse_unix

T = TypeVar("T")
Answer = dict[str, Any]


class Page(View, Generic[T], frozen=True):
    """
    Part of a list.

    :param total_count: Entries on all pages.
    """

    total_count: int
    items: tuple[T, ...]


class QueueAttributes(View, frozen=True):
    """
    A queue.

    :param active_msg_num: Messages that can be received, approximately.
    :param inactive_msg_num: Messages received but not deleted, approximately.
    :param dead_letter_queue_name: Empty when it has none.
    """

    name: str
    queue_id: str = ""
    visibility_timeout: int | None = None
    polling_wait_seconds: int | None = None
    max_msg_size: int | None = None
    msg_retention_seconds: int | None = None
    rewind_seconds: int | None = None
    active_msg_num: int | None = None
    inactive_msg_num: int | None = None
    delay_msg_num: int | None = None
    max_unacked_msg_num: int | None = None
    dead_letter_queue_name: str = ""
    create_time: DateTime | None = None
    raw: Answer = field(default_factory=dict)


class TopicAttributes(View, frozen=True):
    """
    A topic.

    :param filter_type: 1 for tags, 2 for routing keys.
    """

    name: str
    topic_id: str = ""
    filter_type: int | None = None
    max_msg_size: int | None = None
    msg_retention_seconds: int | None = None
    msg_count: int | None = None
    create_time: DateTime | None = None
    raw: Answer = field(default_factory=dict)


class Subscription(View, frozen=True):
    """
    A subscription of a topic.

    :param protocol: ``queue`` or ``http``.
    :param endpoint: The queue's name, or the URL.
    :param content_format: ``SIMPLIFIED`` or ``JSON``.
    """

    topic_name: str
    name: str
    protocol: str
    endpoint: str
    subscription_id: str = ""
    notify_strategy: str = ""
    content_format: str = ""
    filter_tags: tuple[str, ...] = ()
    binding_keys: tuple[str, ...] = ()
    msg_count: int | None = None
    raw: Answer = field(default_factory=dict)


def pages_of(name: str, read: Callable[[Answer], T]) -> Callable[[Answer], Page[T]]:
    """Return the reader of a list that is called ``name``."""

    def parse(answer: Answer) -> Page[T]:
        items = tuple(read(item) for item in answer.get(name) or ())
        return Page(whole(answer, "TotalCount") or 0, items)

    return parse


def read_queue_detail(answer: Answer) -> QueueAttributes:
    """Read the answer of ``DescribeCmqQueueDetail``."""
    described = answer["QueueDescribe"]
    # The API's text calls the object a list.
    return read_queue(described[0] if isinstance(described, list) else described)


def read_queue(queue: Answer) -> QueueAttributes:
    """Read an entry of ``QueueList``."""
    return QueueAttributes(
        name=queue["QueueName"],
        queue_id=text(queue, "QueueId"),
        visibility_timeout=whole(queue, "VisibilityTimeout"),
        polling_wait_seconds=whole(queue, "PollingWaitSeconds"),
        max_msg_size=whole(queue, "MaxMsgSize"),
        msg_retention_seconds=whole(queue, "MsgRetentionSeconds"),
        rewind_seconds=whole(queue, "RewindSeconds"),
        active_msg_num=whole(queue, "ActiveMsgNum"),
        inactive_msg_num=whole(queue, "InactiveMsgNum"),
        delay_msg_num=whole(queue, "DelayMsgNum"),
        max_unacked_msg_num=whole(queue, "MaxUnackedMsgNum"),
        dead_letter_queue_name=text(queue.get("DeadLetterPolicy") or {}, "DeadLetterQueue"),
        create_time=parse_unix(queue.get("CreateTime")),
        raw=queue,
    )


def read_topic(topic: Answer) -> TopicAttributes:
    """Read an entry of ``TopicList``."""
    return TopicAttributes(
        name=topic["TopicName"],
        topic_id=text(topic, "TopicId"),
        filter_type=whole(topic, "FilterType"),
        max_msg_size=whole(topic, "MaxMsgSize"),
        msg_retention_seconds=whole(topic, "MsgRetentionSeconds"),
        msg_count=whole(topic, "MsgCount"),
        create_time=parse_unix(topic.get("CreateTime")),
        raw=topic,
    )


def read_subscription(subscription: Answer) -> Subscription:
    """Read an entry of ``SubscriptionSet``."""
    return Subscription(
        topic_name=text(subscription, "TopicName"),
        name=subscription["SubscriptionName"],
        protocol=text(subscription, "Protocol"),
        endpoint=text(subscription, "Endpoint"),
        subscription_id=text(subscription, "SubscriptionId"),
        notify_strategy=text(subscription, "NotifyStrategy"),
        content_format=text(subscription, "NotifyContentFormat"),
        filter_tags=tuple(subscription.get("FilterTags") or ()),
        binding_keys=tuple(subscription.get("BindingKey") or ()),
        msg_count=whole(subscription, "MsgCount"),
        raw=subscription,
    )
