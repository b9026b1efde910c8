# SPDX-License-Identifier: Apache-2.0
"""
What an account, a queue and a request may be: one value, as strict as the cloud unless a test relaxes it.

A limit that a client could run into in production must be on by default, or the client is first told there.

Sources:

- https://cloud.tencent.com/document/product/1496/60993
- https://www.tencentcloud.com/document/product/1111/42985
"""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT = 1250000001
"""The owner of everything, unless another is given."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Limits of the service; sizes in bytes of UTF-8, times in seconds.

    :param batch: Messages or handles in one request.
    :param batch_bytes: All bodies of one request together.
    :param polling_wait: The longest long poll.
    :param delay: The longest delay of a message.
    :param unacked: Messages of one queue that are received and not deleted; as many may be delayed.
    :param backlog_bytes: All bodies of one queue.
    :param calls_per_second: Sends, and as many receives, for one queue or topic.
    :param queues: Queues of the account.
    :param topics: Topics of the account.
    :param subscriptions: Subscriptions of one topic.
    :param dead_letter_sources: Queues that may share one dead-letter queue.
    :param tags: Tags of a message or subscription; as many binding keys of a subscription.
    :param tag_length: Characters of one tag.
    :param key_bytes: One routing or binding key.
    :param key_dots: Dots in one routing or binding key.
    """

    batch: int = 16
    batch_bytes: int = 1_048_576
    polling_wait: int = 30
    delay: int = 3600
    unacked: int = 100_000
    backlog_bytes: int = 10_737_418_240
    calls_per_second: int = 5000
    queues: int = 1000
    topics: int = 1000
    subscriptions: int = 500
    dead_letter_sources: int = 6
    tags: int = 5
    tag_length: int = 16
    key_bytes: int = 64
    key_dots: int = 15


STRICT = Limits()
