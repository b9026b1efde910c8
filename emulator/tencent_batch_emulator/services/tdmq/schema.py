# SPDX-License-Identifier: Apache-2.0
"""
The requests of the Cmq actions, field by field as the API documents them.

A setting that was not sent is None and stays as it is or becomes the broker's default; no default is repeated here.
"""

from __future__ import annotations

from msgspec import field

from tencent_batch_emulator.services.tc3_schema import Filter, Tc3Struct


class Tag(Tc3Struct):
    tag_key: str
    tag_value: str


class QueueSettings(Tc3Struct):
    queue_name: str
    max_msg_heap_num: int | None = None
    polling_wait_seconds: int | None = None
    visibility_timeout: int | None = None
    max_msg_size: int | None = None
    msg_retention_seconds: int | None = None
    rewind_seconds: int | None = None
    retention_size_in_mb: int | None = field(default=None, name="RetentionSizeInMB")
    transaction: int | None = None
    first_query_interval: int | None = None
    max_query_count: int | None = None
    trace: bool | None = None
    dead_letter_queue_name: str | None = None
    policy: int | None = None
    max_receive_count: int | None = None
    max_time_to_live: int | None = None


class CreateQueue(QueueSettings):
    tags: list[Tag] = field(default_factory=list)


class QueueName(Tc3Struct):
    queue_name: str


class RewindQueue(Tc3Struct):
    queue_name: str
    start_consume_time: int


class UnbindDeadLetter(Tc3Struct):
    source_queue_name: str


class Page(Tc3Struct):
    """
    Which part of a list.

    :param limit: At most 50.
    """

    offset: int = 0
    limit: int | None = None


class TaggedPage(Page):
    """A part of a list that can be filtered by tags: ``tag:<key>`` with the values that the tag may have."""

    is_tag_filter: bool = False
    filters: list[Filter] = field(default_factory=list)


class DescribeQueues(TaggedPage):
    queue_name: str = ""
    queue_name_list: list[str] = field(default_factory=list)


class DescribeDeadLetterSources(Page, kw_only=True):
    dead_letter_queue_name: str
    source_queue_name: str = ""


class CreateTopic(Tc3Struct):
    topic_name: str
    max_msg_size: int | None = None
    filter_type: int | None = None
    msg_retention_seconds: int | None = None
    trace: bool | None = None
    tags: list[Tag] = field(default_factory=list)


class ModifyTopic(Tc3Struct):
    topic_name: str
    max_msg_size: int | None = None
    msg_retention_seconds: int | None = None
    trace: bool | None = None


class TopicName(Tc3Struct):
    topic_name: str


class DescribeTopics(TaggedPage):
    topic_name: str = ""
    topic_name_list: list[str] = field(default_factory=list)


class SubscriptionName(Tc3Struct):
    topic_name: str
    subscription_name: str


class CreateSubscribe(SubscriptionName):
    protocol: str
    endpoint: str
    notify_strategy: str | None = None
    filter_tag: list[str] = field(default_factory=list)
    binding_key: list[str] = field(default_factory=list)
    notify_content_format: str | None = None


class ModifySubscription(SubscriptionName):
    notify_strategy: str | None = None
    notify_content_format: str | None = None
    filter_tags: list[str] | None = None
    binding_key: list[str] | None = None


class DescribeSubscriptions(Page):
    topic_name: str = ""
    subscription_name: str = ""
    queue_name: str = ""
    query_type: str = "topic"


class SendMessage(Tc3Struct):
    queue_name: str
    msg_content: str
    delay_seconds: int = 0


class PublishMessage(Tc3Struct):
    topic_name: str
    msg_content: str
    msg_tag: list[str] = field(default_factory=list)
