# SPDX-License-Identifier: Apache-2.0
"""
Queues, topics and subscriptions of TDMQ for CMQ: the control plane's actions as functions that build requests.

Pure but for :func:`list_subscriptions`, which pages. Receiving has no action here; it goes through ``cmq.py``. Sending
and publishing here is for tests only, because the account may do it 20 times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from airflow_batch_events.limits import MAX_PAGE, MIN_REWIND_SIZE_MB
from airflow_batch_events.protocol.apis.fields import text
from airflow_batch_events.protocol.apis.request import Request, Send
from airflow_batch_events.protocol.apis.tdmq_answers import (
    Answer,
    Page,
    QueueAttributes,
    Subscription,
    TopicAttributes,
    pages_of,
    read_queue,
    read_queue_detail,
    read_subscription,
    read_topic,
)

__all__ = [
    "Page",
    "QueueAttributes",
    "QueueSettings",
    "Subscription",
    "TopicAttributes",
    "clear_queue",
    "clear_subscription_filter_tags",
    "create_queue",
    "create_subscription",
    "create_topic",
    "delete_queue",
    "delete_subscription",
    "delete_topic",
    "describe_queue",
    "describe_queues",
    "describe_subscriptions",
    "describe_topic",
    "describe_topics",
    "list_subscriptions",
    "modify_queue",
    "modify_subscription",
    "modify_topic",
    "publish_message",
    "rewind_queue",
    "send_message",
]

T = TypeVar("T")
NotifyStrategy = Literal["BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY"]
ContentFormat = Literal["SIMPLIFIED", "JSON"]


@dataclass(frozen=True)
class QueueSettings:
    """
    What can be set on a queue; None leaves the API's default or the present value.

    :param visibility_timeout: Seconds for which a received message is hidden, 1 to 43,200; default 30.
    :param polling_wait_seconds: Seconds of a long poll that names none, 0 to 30; default 0.
    :param max_msg_size: Bytes, 1,024 to 1,048,576.
    :param msg_retention_seconds: Longest time unacknowledged, 30 to 43,200 seconds; default 3,600.
    :param rewind_seconds: How long deleted messages can be fetched again, 0 to 1,296,000; 0 is off.
    :param retention_size_mb: Room for those, 10,240 to 512,000 with rewind.
    :param max_msg_heap_num: Messages that the queue holds at the most.
    :param dead_letter_queue_name: Where messages go that were received too often or lie too long.
    :param policy: 0 for received too often, 1 for unconsumed too long.
    :param max_receive_count: 1 to 1,000, with policy 0.
    :param max_time_to_live: 300 to 43,200 seconds, with policy 1.
    :param tags: Set when the queue is created.
    """

    visibility_timeout: int | None = None
    polling_wait_seconds: int | None = None
    max_msg_size: int | None = None
    msg_retention_seconds: int | None = None
    rewind_seconds: int | None = None
    retention_size_mb: int | None = None
    max_msg_heap_num: int | None = None
    dead_letter_queue_name: str | None = None
    policy: int | None = None
    max_receive_count: int | None = None
    max_time_to_live: int | None = None
    tags: Mapping[str, str] | None = None

    def with_dead_letters(self, queue_name: str, max_receive_count: int) -> QueueSettings:
        """Return these settings with a queue for the messages that were received too often."""
        return replace(self, dead_letter_queue_name=queue_name, policy=0, max_receive_count=max_receive_count)

    def with_rewind(self, seconds: int) -> QueueSettings:
        """Return these settings with deleted messages kept so long; 0 leaves them as they are."""
        return replace(self, rewind_seconds=seconds, retention_size_mb=MIN_REWIND_SIZE_MB) if seconds else self

    def to_params(self) -> dict[str, Any]:
        """Return the settings that are given, in the API's names."""
        return _given(
            VisibilityTimeout=self.visibility_timeout,
            PollingWaitSeconds=self.polling_wait_seconds,
            MaxMsgSize=self.max_msg_size,
            MsgRetentionSeconds=self.msg_retention_seconds,
            RewindSeconds=self.rewind_seconds,
            RetentionSizeInMB=self.retention_size_mb,
            MaxMsgHeapNum=self.max_msg_heap_num,
            DeadLetterQueueName=self.dead_letter_queue_name,
            Policy=self.policy,
            MaxReceiveCount=self.max_receive_count,
            MaxTimeToLive=self.max_time_to_live,
        )


# Queues.


def create_queue(queue_name: str, settings: QueueSettings = QueueSettings()) -> Request[str]:
    """
    Create a queue; the answer is its id.

    :param queue_name: A letter, then letters, digits, ``-`` and ``_``, 64 at most, whatever their case.
    """
    params = {"QueueName": queue_name, **settings.to_params(), **_tags(settings.tags)}
    return _request("CreateCmqQueue", params, lambda answer: text(answer, "QueueId"))


def modify_queue(queue_name: str, settings: QueueSettings) -> Request[None]:
    """Change the settings that are given."""
    return _write("ModifyCmqQueueAttribute", {"QueueName": queue_name, **settings.to_params()}, repeatable=True)


def delete_queue(queue_name: str) -> Request[None]:
    """Delete a queue and the subscriptions that forward to it."""
    return _write("DeleteCmqQueue", {"QueueName": queue_name})


def clear_queue(queue_name: str) -> Request[None]:
    """Delete all messages of a queue."""
    return _write("ClearCmqQueue", {"QueueName": queue_name})


def rewind_queue(queue_name: str, start_consume_time: float) -> Request[None]:
    """
    Make deleted messages receivable again.

    :param start_consume_time: Unix seconds from which on everything is consumed again.
    """
    # The unit is not documented; the published sample is in milliseconds.
    params = {"QueueName": queue_name, "StartConsumeTime": int(start_consume_time * 1000)}
    return _write("RewindCmqQueue", params, repeatable=True)


def describe_queue(queue_name: str) -> Request[QueueAttributes]:
    """Describe one queue, by its exact name."""
    return _read("DescribeCmqQueueDetail", {"QueueName": queue_name}, read_queue_detail)


def describe_queues(
    *, name: str | None = None, names: Sequence[str] | None = None, offset: int = 0, limit: int = MAX_PAGE
) -> Request[Page[QueueAttributes]]:
    """
    List queues.

    :param name: Only queues whose name matches.
    :param names: Only these queues.
    :param offset: Queues to leave out.
    :param limit: Queues to return, at most 50.
    """
    params = _given(Offset=offset, Limit=limit, QueueName=name, QueueNameList=None if names is None else list(names))
    return _read("DescribeCmqQueues", params, pages_of("QueueList", read_queue))


# Topics.


def create_topic(
    topic_name: str,
    *,
    filter_type: Literal[1, 2] = 1,
    max_msg_size: int | None = None,
    msg_retention_seconds: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> Request[str]:
    """
    Create a topic; the answer is its id.

    :param filter_type: 1 for tags, 2 for routing keys.
    :param max_msg_size: Bytes.
    :param msg_retention_seconds: 60 to 86,400.
    """
    params = _given(
        TopicName=topic_name,
        FilterType=filter_type,
        MaxMsgSize=max_msg_size,
        MsgRetentionSeconds=msg_retention_seconds,
    )
    return _request("CreateCmqTopic", {**params, **_tags(tags)}, lambda answer: text(answer, "TopicId"))


def modify_topic(
    topic_name: str, *, max_msg_size: int | None = None, msg_retention_seconds: int | None = None
) -> Request[None]:
    """Change the settings that are given."""
    params = _given(TopicName=topic_name, MaxMsgSize=max_msg_size, MsgRetentionSeconds=msg_retention_seconds)
    return _write("ModifyCmqTopicAttribute", params, repeatable=True)


def delete_topic(topic_name: str) -> Request[None]:
    """Delete a topic."""
    return _write("DeleteCmqTopic", {"TopicName": topic_name})


def describe_topic(topic_name: str) -> Request[TopicAttributes]:
    """Describe one topic, by its exact name."""
    return _read(
        "DescribeCmqTopicDetail", {"TopicName": topic_name}, lambda answer: read_topic(answer["TopicDescribe"])
    )


def describe_topics(
    *, name: str | None = None, offset: int = 0, limit: int = MAX_PAGE
) -> Request[Page[TopicAttributes]]:
    """
    List topics.

    :param name: Only topics whose name contains this.
    :param limit: Topics to return, at most 50.
    """
    params = _given(Offset=offset, Limit=limit, TopicName=name)
    return _read("DescribeCmqTopics", params, pages_of("TopicList", read_topic))


# Subscriptions.


def create_subscription(
    topic_name: str,
    subscription_name: str,
    endpoint: str,
    *,
    protocol: Literal["queue", "http"] = "queue",
    notify_strategy: NotifyStrategy | None = None,
    content_format: ContentFormat | None = None,
    filter_tags: Sequence[str] | None = None,
    binding_keys: Sequence[str] | None = None,
) -> Request[str]:
    """
    Forward what a topic receives; the answer is the subscription's id.

    :param endpoint: The queue's name, or a URL that begins with ``http://``.
    :param content_format: By default ``SIMPLIFIED``, the bare body, for queues, which take nothing else.
    :param filter_tags: Only messages that share one of these, at most 5.
    :param binding_keys: Only messages whose routing key matches one of these, at most 5.
    """
    params = _given(
        TopicName=topic_name,
        SubscriptionName=subscription_name,
        Protocol=protocol,
        Endpoint=endpoint,
        NotifyStrategy=notify_strategy,
        NotifyContentFormat=content_format or ("SIMPLIFIED" if protocol == "queue" else None),
        FilterTag=None if filter_tags is None else list(filter_tags),
        BindingKey=None if binding_keys is None else list(binding_keys),
    )
    return _request("CreateCmqSubscribe", params, lambda answer: text(answer, "SubscriptionId"))


def modify_subscription(
    topic_name: str,
    subscription_name: str,
    *,
    notify_strategy: NotifyStrategy | None = None,
    content_format: ContentFormat | None = None,
    filter_tags: Sequence[str] | None = None,
    binding_keys: Sequence[str] | None = None,
) -> Request[None]:
    """Change the settings that are given; :func:`clear_subscription_filter_tags` takes the tags away."""
    params = _given(
        TopicName=topic_name,
        SubscriptionName=subscription_name,
        NotifyStrategy=notify_strategy,
        NotifyContentFormat=content_format,
        # Creating calls it FilterTag.
        FilterTags=None if filter_tags is None else list(filter_tags),
        BindingKey=None if binding_keys is None else list(binding_keys),
    )
    return _write("ModifyCmqSubscriptionAttribute", params, repeatable=True)


def clear_subscription_filter_tags(topic_name: str, subscription_name: str) -> Request[None]:
    """Let a subscription receive everything again."""
    params = {"TopicName": topic_name, "SubscriptionName": subscription_name}
    return _write("ClearCmqSubscriptionFilterTags", params, repeatable=True)


def delete_subscription(topic_name: str, subscription_name: str) -> Request[None]:
    """Stop forwarding; the queue stays."""
    return _write("DeleteCmqSubscribe", {"TopicName": topic_name, "SubscriptionName": subscription_name})


def describe_subscriptions(
    topic_name: str, *, name: str | None = None, queue_name: str | None = None, offset: int = 0, limit: int = MAX_PAGE
) -> Request[Page[Subscription]]:
    """
    List a page of a topic's subscriptions.

    :param name: Only subscriptions whose name contains this.
    :param queue_name: Only subscriptions that forward to this queue.
    :param limit: Subscriptions to return, at most 50.
    """
    params = _given(TopicName=topic_name, SubscriptionName=name, QueueName=queue_name, Offset=offset, Limit=limit)
    return _read("DescribeCmqSubscriptionDetail", params, pages_of("SubscriptionSet", read_subscription))


def list_subscriptions(send: Send, topic_name: str) -> list[Subscription]:
    """
    List all subscriptions of a topic.

    :param send: Makes a call, as :meth:`SdkClient.send` does.
    """
    found: list[Subscription] = []
    while True:
        page = send(describe_subscriptions(topic_name, offset=len(found)))
        found += page.items
        if not page.items or len(found) >= page.total_count:
            return found


# Messages, for tests.


def send_message(queue_name: str, content: str, *, delay_seconds: int = 0) -> Request[str]:
    """Send a test message to a queue; the answer is its id."""
    params = {"QueueName": queue_name, "MsgContent": content, "DelaySeconds": delay_seconds}
    return _request("SendCmqMsg", params, lambda answer: text(answer, "MsgId"))


def publish_message(topic_name: str, content: str, *, tags: Sequence[str] = ()) -> Request[str]:
    """Publish a test message to a topic; the answer is its id."""
    params: dict[str, Any] = {"TopicName": topic_name, "MsgContent": content}
    if tags:
        params["MsgTag"] = list(tags)
    return _request("PublishCmqMsg", params, lambda answer: text(answer, "MsgId"))


# Building.


def _request(
    action: str, params: dict[str, Any], parse: Callable[[Answer], T], *, repeatable: bool = False
) -> Request[T]:
    return Request("tdmq", action, params, parse, repeatable)


def _read(action: str, params: dict[str, Any], parse: Callable[[Answer], T]) -> Request[T]:
    return _request(action, params, parse, repeatable=True)


def _write(action: str, params: dict[str, Any], *, repeatable: bool = False) -> Request[None]:
    return _request(action, params, lambda _: None, repeatable=repeatable)


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _tags(tags: Mapping[str, str] | None) -> dict[str, Any]:
    return {"Tags": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]} if tags else {}
