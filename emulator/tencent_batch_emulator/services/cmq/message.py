# SPDX-License-Identifier: Apache-2.0
"""
A message as a queue holds it, and a receipt as a consumer gets it.

A receipt is a copy: what happens to the message afterwards must not change what a consumer was told.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Where in its life a message is."""

    DELAYED = "delayed"
    ACTIVE = "active"
    INACTIVE = "inactive"
    GONE = "gone"


class Message:
    """
    One message; all times are Unix seconds.

    :param message_id: Stays the same in a dead-letter queue and after a rewind.
    :param body: The text as it was sent.
    :param size: Bytes of the body in UTF-8.
    :param enqueued: When it came into this queue.
    :param unacked_since: From when its retention counts; later than ``enqueued`` after a rewind.
    """

    __slots__ = (
        "body",
        "dequeue_count",
        "enqueued",
        "first_dequeued",
        "handle",
        "message_id",
        "size",
        "state",
        "unacked_since",
        "visible_at",
    )

    def __init__(self, message_id: str, body: str, size: int, enqueued: float, unacked_since: float) -> None:
        self.message_id = message_id
        self.body = body
        self.size = size
        self.enqueued = enqueued
        self.unacked_since = unacked_since
        self.state = State.ACTIVE
        self.visible_at = enqueued
        self.first_dequeued = 0.0
        self.dequeue_count = 0
        self.handle = 0


class Receipt(NamedTuple):
    """What one receive returns for one message."""

    message_id: str
    body: str
    handle: str
    enqueued: float
    next_visible: float
    first_dequeued: float
    dequeue_count: int
