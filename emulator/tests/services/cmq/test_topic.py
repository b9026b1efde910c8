# SPDX-License-Identifier: Apache-2.0
"""Publishing to queues, and how topics, subscriptions and queues hang together."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.cmq_calls import bodies, subscribe

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault


async def test_every_subscribed_queue_gets_the_message_at_once(broker: Broker) -> None:
    broker.create_topic("events")
    subscribe(broker, "one")
    subscribe(broker, "two")
    message_id = await broker.publish("EVENTS", "hello")
    assert bodies(broker, "one") == bodies(broker, "two") == ["hello"]
    assert message_id not in {message.message_id for message in broker.queues.get("one").peek()}


async def test_tags_choose_the_subscriptions(broker: Broker) -> None:
    broker.create_topic("events")
    subscribe(broker, "all")
    subscribe(broker, "red", filter_tags=["red"])
    await broker.publish("events", "plain")
    await broker.publish("events", "colored", tags=["blue", "red"])
    assert bodies(broker, "all") == ["plain", "colored"]
    assert bodies(broker, "red") == ["colored"]


async def test_routing_keys_choose_the_subscriptions(broker: Broker) -> None:
    broker.create_topic("events", filter_type=2)
    subscribe(broker, "jobs", binding_keys=["job.#"])
    subscribe(broker, "ends", binding_keys=["*.end", "*.stop"])
    await broker.publish("events", "start", routing_key="job.start")
    await broker.publish("events", "end", routing_key="job.end")
    assert bodies(broker, "jobs") == ["start", "end"]
    assert bodies(broker, "ends") == ["end"]


async def test_a_message_that_nobody_wants_is_refused(broker: Broker) -> None:
    broker.create_topic("events")
    with pytest.raises(CmqFault, match=r"6030 \(10650\)"):
        await broker.publish("events", "a")
    subscribe(broker, "red", filter_tags=["red"])
    with pytest.raises(CmqFault, match=r"6030 \(10730\)"):
        await broker.publish("events", "a", tags=["blue"])
    with pytest.raises(CmqFault, match=r"4440 \(10600\)"):
        await broker.publish("nowhere", "a")


@pytest.mark.parametrize(
    ("publication", "module"),
    [
        ({"body": ""}, "10120"),
        ({"body": "x" * 65_537}, "10230"),
        ({"tags": ["a", "b", "c", "d", "e", "f"]}, "10720"),
        ({"tags": ["x" * 17]}, "10350"),
        ({"routing_key": "x" * 65}, "10350"),
        ({"routing_key": ".".join("x" * 17)}, "10691"),
    ],
)
async def test_a_publication_beyond_the_limits_is_refused(
    broker: Broker, publication: dict[str, Any], module: str
) -> None:
    broker.create_topic("events")
    subscribe(broker, "all")
    with pytest.raises(CmqFault, match=module):
        await broker.publish("events", **{"body": "a", **publication})
    assert bodies(broker, "all") == []


async def test_a_routing_topic_needs_keys_on_both_sides(broker: Broker) -> None:
    broker.create_topic("events", filter_type=2)
    with pytest.raises(CmqFault, match="lacks bindingKey"):
        subscribe(broker, "jobs")
    subscribe(broker, "jobs", binding_keys=["#"])
    with pytest.raises(CmqFault, match="lacks routingKey"):
        await broker.publish("events", "a")


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        ({"protocol": "ftp"}, "10510"),
        ({"protocol": "http", "endpoint": "https://127.0.0.1/"}, "10500"),
        ({"protocol": "http", "endpoint": "http://127.0.0.1/a b"}, "10570"),
        ({"notify_strategy": "NEVER"}, "10520"),
        ({"notify_content_format": "XML"}, "10530"),
        ({"notify_content_format": "JSON"}, "10640"),
        ({"filter_tags": ["a", "b", "c", "d", "e", "f"]}, "10490"),
        ({"filter_tags": ["x" * 17]}, "10350"),
        ({"binding_keys": ["a", "b", "c", "d", "e", "f"]}, "10680"),
        ({"binding_keys": ["x" * 65]}, "10350"),
        ({"endpoint": "nowhere"}, "10100"),
        ({"name": "1st"}, "10590"),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(broker: Broker, settings: dict[str, Any], module: str) -> None:
    broker.create_queue("jobs")
    topic = broker.create_topic("events")
    given = {"name": "sub", "protocol": "queue", "endpoint": "jobs", **settings}
    with pytest.raises(CmqFault, match=module):
        broker.create_subscription("events", **given)
    assert not topic.subscriptions


async def test_a_change_that_is_refused_changes_nothing(broker: Broker) -> None:
    broker.create_topic("events")
    subscribe(broker, "red", filter_tags=["red"])
    with pytest.raises(CmqFault, match="10490"):
        broker.change_subscription("events", "red", notify_strategy="BACKOFF_RETRY", filter_tags=["x"] * 6)
    subscription = broker.topics.get("events").subscription("red")
    assert (subscription.notify_strategy, subscription.filter_tags) == ("EXPONENTIAL_DECAY_RETRY", ("red",))
