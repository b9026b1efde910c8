# SPDX-License-Identifier: Apache-2.0
"""Sizes of messages, batches and queues."""

from __future__ import annotations

import random

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import Limits
from tencent_batch_emulator.services.cmq.queues.attributes import QueueAttributes
from tencent_batch_emulator.services.cmq.queues.queue import Queue


def small_queue(clock: Clock, limits: Limits) -> Queue:
    return Queue("q", "cmqq-1", QueueAttributes(), clock=clock, rng=random.Random(1), limits=limits, window=1)


async def test_an_empty_message_is_refused(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    with pytest.raises(CmqFault, match="10120"):
        queue.send(["a", ""])
    assert queue.active_count == 0, "a batch goes in as a whole or not at all"


async def test_sizes_are_counted_in_bytes(broker: Broker) -> None:
    queue = broker.create_queue("jobs", max_msg_size=1024)
    queue.send(["é" * 512])
    with pytest.raises(CmqFault, match=r"4400 \(10230\)"):
        queue.send(["é" * 512 + "x"])


async def test_a_batch_is_limited_as_a_whole(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    queue.send(["x" * 65_536] * 16)
    with pytest.raises(CmqFault, match=r"4470 \(10300\)"):
        queue.send(["x" * 65_536] * 15 + ["x" * 65_537])


async def test_a_full_queue_takes_no_more(clock: Clock) -> None:
    queue = small_queue(clock, Limits(backlog_bytes=10))
    queue.send(["x" * 10])
    with pytest.raises(CmqFault, match=r"4410 \(10240\)"):
        queue.send(["x"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    queue.send(["x"])
