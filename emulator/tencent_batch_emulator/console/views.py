# SPDX-License-Identifier: Apache-2.0
"""
What the console shows, as plain rows; nothing here knows HTML.

Lists are cut, because a queue may hold a hundred thousand messages and a page is fetched every second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from tencent_batch_emulator.faults.message_faults import event_name
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.message import Message
from tencent_batch_emulator.services.cmq.queues.queue import Queue
from tencent_batch_emulator.services.cmq.topic import BY_TAG, Subscription, Topic

SHOWN = 100
"""Rows of a list."""

BODY_SHOWN = 4096
"""Characters of a message."""

Row = dict[str, Any]


def clock_time(seconds: float) -> str:
    """Return a time of the emulator's clock as text in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def queue_row(queue: Queue) -> Row:
    """Return a queue for a list."""
    return {
        "name": queue.name,
        "active": queue.active_count,
        "inactive": queue.inactive_count,
        "delayed": queue.delayed_count,
        "receivers": queue.waiting_receivers,
        "visibility": queue.attributes.visibility_timeout,
        "retention": queue.attributes.msg_retention_seconds,
    }


def queue_page(broker: Broker, queue: Queue) -> Row:
    """Return all about one queue; its oldest messages are shown without being received."""
    policy = queue.dead_letter_policy
    return {
        **queue_row(queue),
        "id": queue.queue_id,
        "created": clock_time(queue.created),
        "rewindable": queue.rewindable_count,
        "attributes": queue.attributes,
        "dead_letters": policy.queue_name if policy is not None else "",
        "sources": [source.name for source in broker.dead_letter_sources(queue)],
        "subscriptions": [subscription_row(broker, each) for each in broker.subscriptions_of_queue(queue.name)],
        "messages": [message_row(message) for message in islice(queue.peek(), SHOWN)],
    }


def message_row(message: Message) -> Row:
    """Return a message in a queue."""
    return {
        "id": message.message_id,
        "state": message.state.value,
        "event": event_name(message.body),
        "enqueued": clock_time(message.enqueued),
        "visible_at": clock_time(message.visible_at),
        "receives": message.dequeue_count,
        "size": message.size,
        "body": message.body[:BODY_SHOWN],
    }


def subscription_row(broker: Broker, subscription: Subscription) -> Row:
    """Return a subscription."""
    return {
        "topic": subscription.topic.name,
        "name": subscription.name,
        "protocol": subscription.protocol,
        "endpoint": subscription.endpoint,
        "filters": ", ".join(subscription.filter_tags or subscription.binding_keys) or "everything",
        "format": subscription.notify_content_format,
        "strategy": subscription.notify_strategy,
        "waiting": broker.waiting(subscription),
    }


def topic_row(broker: Broker, topic: Topic) -> Row:
    """Return a topic with its subscriptions."""
    return {
        "name": topic.name,
        "id": topic.topic_id,
        "created": clock_time(topic.created),
        "filter": "tags" if topic.filter_type == BY_TAG else "routing keys",
        "subscriptions": [subscription_row(broker, each) for each in topic.subscriptions.values()],
    }


def counts(metrics: dict[str, int]) -> str:
    """Return counters like ``SucceedCount`` in words, without those that are zero."""
    return ", ".join(f"{number} {name.removesuffix('Count').lower()}" for name, number in metrics.items() if number)


def newest(rows: Iterable[Row], limit: int = SHOWN) -> Sequence[Row]:
    """Return the first rows of a list that has the newest first."""
    return list(islice(rows, limit))
