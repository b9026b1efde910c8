# SPDX-License-Identifier: Apache-2.0
"""Faults of messages, as a reader of the queue sees them."""

from __future__ import annotations

from helpers.emulator_calls import ended, event_names, provision, submit
from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.message_faults import event_name
from tencent_batch_emulator.faults.rules import Fault


async def test_an_event_can_be_dropped_duplicated_and_corrupted(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.drop_next("JOB_SUCCEED")
    await ended(emulator, await submit(client, "JOB_SUCCEED"))
    assert await event_names(client, wait=0) == []

    emulator.faults.duplicate_next("JOB_SUCCEED", times=3)
    await submit(client, "JOB_SUCCEED")
    assert await event_names(client) == ["JOB_SUCCEED"] * 3

    emulator.faults.corrupt_next("JOB_SUCCEED")
    await submit(client, "JOB_SUCCEED")
    message = await client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=3)
    assert event_name(message["msgBody"]) == ""


async def test_an_event_can_be_delayed(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.delay_next("JOB_SUCCEED", seconds=20)
    await ended(emulator, await submit(client, "JOB_SUCCEED"))
    assert await event_names(client, wait=0) == []

    emulator.clock.advance(20)

    assert await event_names(client) == ["JOB_SUCCEED"]


async def test_a_fault_can_be_for_one_of_the_queues_that_a_topic_fills(
    emulator: Emulator, client: SignedClient
) -> None:
    await provision(client)
    await client.api("CreateCmqQueue", {"QueueName": "other"}, service="tdmq")
    await client.api(
        "CreateCmqSubscribe",
        {"TopicName": "jobs", "SubscriptionName": "two", "Protocol": "queue", "Endpoint": "other"},
        service="tdmq",
    )
    emulator.faults.add(Fault(effect="drop", queue="other"))

    await client.cmq("PublishMessage", topicName="jobs", msgBody="x")

    assert (await client.cmq("ReceiveMessage", queueName="results"))["msgBody"] == "x"
    assert (await client.cmq("ReceiveMessage", queueName="other"))["code"] == 7000


async def test_messages_that_are_sent_meet_faults_one_by_one(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.add(Fault(effect="drop", queue="results", next=1))

    sent = await client.cmq(
        "BatchSendMessage", queueName="results", **{"msgBody.1": "a", "msgBody.2": "b", "msgBody.3": "c"}
    )
    received = await client.cmq("BatchReceiveMessage", queueName="results", numOfMsg=16)

    assert len({message["msgId"] for message in sent["msgList"]}) == 3
    assert sorted(message["msgBody"] for message in received["msgInfoList"]) == ["b", "c"]
