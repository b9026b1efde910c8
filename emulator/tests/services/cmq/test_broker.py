# SPDX-License-Identifier: Apache-2.0
"""How topics, subscriptions and queues hang together."""

from __future__ import annotations

import pytest
from helpers.cmq_calls import bodies, subscribe

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault


async def test_deleting_a_queue_deletes_its_subscriptions(broker: Broker) -> None:
    broker.create_topic("events")
    subscribe(broker, "one")
    subscribe(broker, "two")
    broker.delete_queue("ONE")
    assert list(broker.topics.get("events").subscriptions) == ["two"]
    await broker.publish("events", "a")
    assert bodies(broker, "two") == ["a"]


async def test_a_topic_in_use_cannot_be_deleted(broker: Broker) -> None:
    broker.create_topic("events")
    subscribe(broker, "one")
    with pytest.raises(CmqFault, match="10540"):
        broker.delete_topic("events")
    broker.delete_subscription("events", "one")
    broker.delete_topic("events")
    assert "events" not in broker.topics
