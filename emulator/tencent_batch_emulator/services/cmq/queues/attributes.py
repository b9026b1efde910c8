# SPDX-License-Identifier: Apache-2.0
"""
What can be set on a queue, with its ranges.

The ranges are those of TDMQ, not of the CMQ that it replaced: retention is the longest unacknowledged time, at most
twelve hours. Where the pages disagree, the wider range holds.

Sources:

- https://cloud.tencent.com/document/product/1179/55917 (CreateCmqQueue)
- https://cloud.tencent.com/document/product/1179/55905 (ModifyCmqQueueAttribute)
"""

from __future__ import annotations

from dataclasses import dataclass

from tencent_batch_emulator.services.cmq import errors

_RANGES = {
    "max_msg_heap_num": ("MaxMsgHeapNum", 1_000_000, 1_000_000_000),
    "polling_wait_seconds": ("PollingWaitSeconds", 0, 30),
    "visibility_timeout": ("VisibilityTimeout", 1, 43_200),
    "max_msg_size": ("MaxMsgSize", 1024, 1_048_576),
    "msg_retention_seconds": ("MsgRetentionSeconds", 30, 43_200),
    "rewind_seconds": ("RewindSeconds", 0, 1_296_000),
}


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """
    The settings of a queue; times in seconds, sizes in bytes.

    :param max_msg_heap_num: How many messages the queue may hold.
    :param polling_wait_seconds: How long a receive waits that does not say so itself.
    :param visibility_timeout: How long a received message stays invisible.
    :param max_msg_size: The largest message.
    :param msg_retention_seconds: The longest unacknowledged time; after it the message is dropped.
    :param rewind_seconds: How long deleted messages can be fetched back; 0 for never.
    :param retention_size_in_mb: How much is kept for that; 0 without rewind.
    :param transaction: 1 for a transactional queue; stored and shown, without effect.
    :param first_query_interval: Stored and shown, without effect.
    :param max_query_count: Stored and shown, without effect.
    :param trace: Stored and shown, without effect.
    """

    max_msg_heap_num: int = 100_000_000
    polling_wait_seconds: int = 0
    visibility_timeout: int = 30
    max_msg_size: int = 1_048_576
    msg_retention_seconds: int = 3600
    rewind_seconds: int = 0
    retention_size_in_mb: int = 0
    transaction: int = 0
    first_query_interval: int = 0
    max_query_count: int = 0
    trace: bool = False

    def check(self) -> None:
        """
        Refuse values out of range.

        :raises CmqFault: 4000 (10350).
        """
        for attribute, (name, low, high) in _RANGES.items():
            value = getattr(self, attribute)
            if not low <= value <= high:
                raise errors.out_of_range(name, f"{value}, must be from {low} to {high}")
        if self.retention_size_in_mb and not (self.rewind_seconds and 1024 <= self.retention_size_in_mb <= 512_000):
            raise errors.out_of_range(
                "RetentionSizeInMB", f"{self.retention_size_in_mb}, must be 0, or with rewind from 1024 to 512000"
            )


@dataclass(frozen=True, slots=True)
class DeadLetterPolicy:
    """
    When a message goes to the dead-letter queue.

    :param queue_name: That queue.
    :param policy: 0 when it was received ``max_receive_count`` times, 1 when nobody consumed it for
        ``max_time_to_live`` seconds.
    """

    queue_name: str
    policy: int = 0
    max_receive_count: int = 0
    max_time_to_live: int = 0

    def check(self, retention: int) -> None:
        """
        Refuse values out of range.

        :param retention: The queue's longest unacknowledged time in seconds.
        :raises CmqFault: 4000 (10350).
        """
        if self.policy not in (0, 1):
            raise errors.out_of_range("Policy", f"{self.policy}, must be 0 (receive count) or 1 (time to live)")
        if self.policy == 0 and not 1 <= self.max_receive_count <= 1000:
            raise errors.out_of_range("MaxReceiveCount", f"{self.max_receive_count}, must be from 1 to 1000")
        if self.policy == 1 and not 300 <= self.max_time_to_live <= 43_200:
            raise errors.out_of_range("MaxTimeToLive", f"{self.max_time_to_live}, must be from 300 to 43200")
        if self.policy == 1 and self.max_time_to_live >= retention:
            raise errors.out_of_range(
                "MaxTimeToLive", f"{self.max_time_to_live}, must be below MsgRetentionSeconds, {retention}"
            )
