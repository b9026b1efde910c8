# SPDX-License-Identifier: Apache-2.0
"""
Topics and subscriptions: their settings, and who wants a message.

A message that nobody wants is refused, not kept: publishing into a topic without a matching subscription must be seen
by who publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.call_rate import CallRate
from tencent_batch_emulator.services.cmq.limits import Limits
from tencent_batch_emulator.services.cmq.names import check_topic_name, fold
from tencent_batch_emulator.services.cmq.routing import check_key, check_tags, key_matches, tags_match

BY_TAG = 1
BY_ROUTING_KEY = 2

BACKOFF = "BACKOFF_RETRY"
DECAY = "EXPONENTIAL_DECAY_RETRY"

SIMPLIFIED = "SIMPLIFIED"
JSON = "JSON"

MAX_RETENTION = 86_400
"""Seconds that a topic keeps a message for a subscriber that does not take it."""


@dataclass(frozen=True, slots=True)
class Publication:
    """
    A message on its way from a topic to a subscription.

    :param published: Unix seconds.
    """

    message_id: str
    body: str
    tags: tuple[str, ...]
    published: float


@dataclass(slots=True)
class Subscription:
    """
    Who gets what from a topic.

    :param endpoint: A queue's name, or a URL.
    :param filter_tags: Wants messages with one of these; all when empty.
    :param binding_keys: Wants messages whose routing key one of these covers.
    """

    name: str
    subscription_id: str
    topic: Topic = field(repr=False)
    protocol: str
    endpoint: str
    notify_strategy: str
    notify_content_format: str
    filter_tags: tuple[str, ...]
    binding_keys: tuple[str, ...]
    created: float
    modified: float

    def wants(self, tags: Sequence[str], routing_key: str | None) -> bool:
        """Return whether a message is for this subscription."""
        if self.topic.filter_type == BY_TAG:
            return tags_match(self.filter_tags, tags)
        return routing_key is not None and any(key_matches(key, routing_key) for key in self.binding_keys)

    def check(self, limits: Limits) -> None:
        """
        Refuse settings that the service does not take.

        :raises CmqFault: 4000.
        """
        check_topic_name(self.name, "subscription")
        if self.protocol not in ("queue", "http"):
            raise errors.protocol_unknown(self.protocol)
        if self.protocol == "http" and not self.endpoint.startswith("http://"):
            raise errors.endpoint_wrong(f"{self.endpoint!r} must start with http://")
        if any(character.isspace() for character in self.endpoint):
            raise errors.endpoint_blank()
        if self.notify_strategy not in (BACKOFF, DECAY):
            raise errors.strategy_unknown(self.notify_strategy)
        if self.notify_content_format not in (SIMPLIFIED, JSON):
            raise errors.content_format_unknown(self.notify_content_format)
        if self.protocol == "queue" and self.notify_content_format != SIMPLIFIED:
            raise errors.queue_takes_simplified_only()
        if len(self.filter_tags) > limits.tags:
            raise errors.too_many_filter_tags()
        if len(self.binding_keys) > limits.tags:
            raise errors.too_many_binding_keys()
        check_tags("filterTag", self.filter_tags, limits.tag_length)
        for key in self.binding_keys:
            check_key(key, limits)
        if self.topic.filter_type == BY_ROUTING_KEY and not self.binding_keys:
            raise errors.binding_key_missing()


class Topic:
    """
    A topic and its subscriptions.

    :param filter_type: 1 for tags, 2 for routing keys.
    :param max_msg_size: Bytes of the largest message.
    :param msg_retention_seconds: Seconds that a message is kept for a subscriber that does not take it.
    """

    def __init__(
        self,
        name: str,
        topic_id: str,
        *,
        filter_type: int,
        max_msg_size: int,
        msg_retention_seconds: int,
        trace: bool,
        now: float,
        limits: Limits,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.filter_type = filter_type
        self.max_msg_size = max_msg_size
        self.msg_retention_seconds = msg_retention_seconds
        self.trace = trace
        self.created = self.modified = now
        self.tags: list[dict[str, str]] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.rate = CallRate(limits.calls_per_second)
        self._limits = limits

    def check(self) -> None:
        """
        Refuse settings that the service does not take.

        :raises CmqFault: 4000.
        """
        check_topic_name(self.name)
        if self.filter_type not in (BY_TAG, BY_ROUTING_KEY):
            raise errors.out_of_range("FilterType", f"{self.filter_type}, must be 1 (tags) or 2 (routing keys)")
        check_topic_settings(self.max_msg_size, self.msg_retention_seconds)

    def subscription(self, name: str) -> Subscription:
        """
        Return a subscription by its name.

        :raises CmqFault: 4440 when there is none.
        """
        try:
            return self.subscriptions[fold(name)]
        except KeyError:
            raise errors.subscription_missing(name) from None

    def receivers(
        self, body: str, tags: Sequence[str], routing_key: str | None, longest_tag: int
    ) -> list[Subscription]:
        """
        Return the subscriptions that get a message.

        :param longest_tag: Characters that a tag may have.
        :raises CmqFault: 4000 or 4400 for the message, 6030 when nobody wants it.
        """
        if not body:
            raise errors.body_empty()
        if len(body.encode()) > self.max_msg_size:
            raise errors.message_too_large()
        if len(tags) > self._limits.tags:
            raise errors.too_many_message_tags()
        check_tags("msgTag", tags, longest_tag)
        if routing_key is not None:
            check_key(routing_key, self._limits)
        if not self.subscriptions:
            raise errors.topic_without_subscription()
        if self.filter_type == BY_ROUTING_KEY and routing_key is None:
            raise errors.routing_key_missing()
        receivers = [each for each in self.subscriptions.values() if each.wants(tags, routing_key)]
        if not receivers:
            raise errors.nobody_matches()
        return receivers


def check_topic_settings(max_msg_size: int, msg_retention_seconds: int) -> None:
    """
    Refuse settings out of range.

    :raises CmqFault: 4000.
    """
    if not 1024 <= max_msg_size <= 1_048_576:
        raise errors.out_of_range("MaxMsgSize", f"{max_msg_size}, must be from 1024 to 1048576")
    if not 60 <= msg_retention_seconds <= MAX_RETENTION:
        raise errors.out_of_range("MsgRetentionSeconds", f"{msg_retention_seconds}, must be from 60 to {MAX_RETENTION}")
