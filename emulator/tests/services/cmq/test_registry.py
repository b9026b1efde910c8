# SPDX-License-Identifier: Apache-2.0
"""One name, one thing."""

from __future__ import annotations

import pytest
from helpers.cmq_calls import subscribe

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.limits import Limits


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


async def test_a_queue_deleted_and_made_again_is_another_queue(broker: Broker) -> None:
    old = broker.create_queue("jobs")
    old.send(["a"])
    broker.delete_queue("jobs")
    new = broker.create_queue("jobs")
    assert new.queue_id != old.queue_id
    assert new.active_count == 0
    with pytest.raises(CmqFault, match="4440"):
        old.send(["to nobody"])
