# SPDX-License-Identifier: Apache-2.0
"""Publishing to queues, and how topics, subscriptions and queues hang together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import Limits


def subscribe(broker: Broker, name: str, topic: str = "events", **settings: Any) -> None:
    if name not in broker.queues:
        broker.create_queue(name)
    broker.create_subscription(topic, name, protocol="queue", endpoint=name, **settings)


def bodies(broker: Broker, name: str) -> list[str]:
    return [message.body for message in broker.queues.get(name).peek()]


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
    await broker.publish("events", "coloured", tags=["blue", "red"])
    assert bodies(broker, "all") == ["plain", "coloured"]
    assert bodies(broker, "red") == ["coloured"]


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


@pytest.mark.parametrize("name", ["1st", "", "a" * 65, "a.b", "ä", "jobs-retry", "jobs-DLQ", "jobs\n"])
async def test_a_name_that_no_queue_may_have_is_refused(broker: Broker, name: str) -> None:
    with pytest.raises(CmqFault, match="10020"):
        broker.create_queue(name)


async def test_names_that_differ_in_case_only_are_the_same(broker: Broker) -> None:
    queue = broker.create_queue("Jobs")
    with pytest.raises(CmqFault, match="4460"):
        broker.create_queue("jOBS")
    assert broker.queues.get("JOBS") is queue
    broker.create_topic("Events")
    with pytest.raises(CmqFault, match="4460"):
        broker.create_topic("events")
    subscribe(broker, "Jobs")
    with pytest.raises(CmqFault, match="4490"):
        broker.create_subscription("events", "JOBS", protocol="queue", endpoint="jobs")


async def test_deleting_a_queue_deletes_the_subscriptions_that_point_at_it(broker: Broker) -> None:
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


async def test_a_name_can_be_used_again_at_once_unless_told_otherwise(broker: Broker) -> None:
    broker.create_queue("jobs")
    broker.delete_queue("jobs")
    broker.create_queue("jobs")


async def test_a_name_is_released_after_half_a_minute_when_asked_for(clock: Clock) -> None:
    broker = Broker(clock, release_seconds=30)
    for create, delete in ((broker.create_queue, broker.delete_queue), (broker.create_topic, broker.delete_topic)):
        create("name")
        delete("name")
        clock.advance(29)
        with pytest.raises(CmqFault, match=r"6040 \(10660\)"):
            create("NAME")
        clock.advance(1)
        create("NAME")
    await broker.close()


async def test_an_account_has_its_limits(clock: Clock) -> None:
    broker = Broker(clock, limits=Limits(queues=1, topics=1, subscriptions=1))
    broker.create_topic("events")
    subscribe(broker, "one")
    with pytest.raises(CmqFault, match=r"4450 \(10220\)"):
        broker.create_queue("two")
    with pytest.raises(CmqFault, match=r"4450 \(10610\)"):
        broker.create_topic("more")
    with pytest.raises(CmqFault, match="4500"):
        broker.create_subscription("events", "two", protocol="queue", endpoint="one")
    await broker.close()


async def test_a_full_queue_gets_its_messages_in_order_when_there_is_room(clock: Clock) -> None:
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


async def test_a_queue_deleted_and_made_again_is_another_queue(broker: Broker) -> None:
    old = broker.create_queue("jobs")
    old.send(["a"])
    broker.delete_queue("jobs")
    new = broker.create_queue("jobs")
    assert new.queue_id != old.queue_id
    assert new.active_count == 0
    with pytest.raises(CmqFault, match="4440"):
        old.send(["to nobody"])
