# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.emulator_helpers import address_of, first_payload

from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.triggers.cmq import CmqMessageTrigger

EVENT = '{"Events": [{"EventName": "JOB_SUCCEED", "Batch": {"JobId": "job-1"}}]}'


@pytest.fixture
def queue(cloud: Any) -> Iterator[str]:
    with SdkClient(address_of(cloud).access()) as client:
        client.send(tdmq.create_queue("plain"))
        yield "plain"
        client.send(tdmq.delete_queue("plain"))


def send(cloud: Any, queue: str, *bodies: str) -> None:
    cloud.call(lambda emulator: emulator.broker.send(queue, list(bodies)))


def left(cloud: Any, queue: str) -> list[Any]:
    messages: list[Any] = cloud.call(lambda emulator: list(emulator.broker.queues.get(queue).peek()))
    return messages


@pytest.mark.parametrize(("body", "names"), [("hello", []), (EVENT, ["JOB_SUCCEED"])], ids=["text", "event"])
def test_a_message_fires_with_what_is_in_it(cloud: Any, queue: str, body: str, names: list[str]) -> None:
    send(cloud, queue, body)
    payload = asyncio.run(first_payload(CmqMessageTrigger(queue)))
    assert set(payload) == {"message_id", "body", "enqueue_time", "events"}
    assert payload["body"] == body
    assert [event["event_name"] for event in payload["events"]] == names


def test_a_message_that_cannot_be_fired_does_not_block(cloud: Any, queue: str) -> None:
    nested = "[" * 60 + "]" * 60
    poison = '{"Events": [{"EventName": "JOB_SUCCEED", "Batch": {"JobId": "job-1", "x": ' + nested + "}}]}"
    send(cloud, queue, poison, "hello")
    payload = asyncio.run(first_payload(CmqMessageTrigger(queue)))
    assert payload["body"] == "hello"
    assert len(left(cloud, queue)) == 1


def test_a_trigger_without_a_queue_is_refused_early() -> None:
    with pytest.raises(ValueError, match="queue_name is ''"):
        CmqMessageTrigger().serialize()
