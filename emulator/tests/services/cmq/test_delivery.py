# SPDX-License-Identifier: Apache-2.0
"""Deliveries that wait for room."""

from __future__ import annotations

import asyncio
import random

from helpers.cmq_calls import bodies, subscribe

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.delivery import retry_delays
from tencent_batch_emulator.services.cmq.limits import Limits


async def test_a_full_queue_gets_its_messages_later_in_order(clock: Clock) -> None:
    broker = Broker(clock, limits=Limits(backlog_bytes=10), window=1)
    broker.create_topic("events")
    subscribe(broker, "small")
    subscription = broker.topics.get("events").subscription("small")
    queue = broker.queues.get("small")

    async def publish(body: str) -> None:
        await broker.publish("events", body)
        for _ in range(5):
            await asyncio.sleep(0)

    await publish("x" * 10)
    await publish("second")
    assert broker.waiting(subscription) == 1
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    await publish("3rd")
    assert bodies(broker, "small") == [], "it must not overtake the one that waits for its retry"
    clock.advance(1)
    for _ in range(5):
        await asyncio.sleep(0)
    assert bodies(broker, "small") == ["second", "3rd"]
    assert broker.waiting(subscription) == 0
    await broker.close()


def test_the_default_strategy_retries_for_a_day() -> None:
    delays = list(retry_delays("EXPONENTIAL_DECAY_RETRY", random.Random(1)))
    assert len(delays) == 176
    assert delays[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512]
    assert set(delays[9:]) == {512}
    assert 0.98 < sum(delays) / 86_400 < 1


def test_backoff_retries_three_times_ten_to_twenty_seconds_apart() -> None:
    for seed in range(20):
        delays = list(retry_delays("BACKOFF_RETRY", random.Random(seed)))
        assert len(delays) == 3
        assert all(10 <= delay <= 20 for delay in delays)
