# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.emulator_helpers import address_of

from airflow_batch_events.exceptions import CmqQueueNotFoundError, ConfigurationError
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import SdkClient


@pytest.fixture
def queue(cloud: Any) -> Iterator[str]:
    with SdkClient(address_of(cloud).access()) as client:
        client.send(tdmq.create_topic("hooked"))
        client.send(tdmq.create_queue("hooked"))
        client.send(tdmq.create_subscription("hooked", "s", "hooked"))
        yield "hooked"
        client.send(tdmq.delete_subscription("hooked", "s"))
        client.send(tdmq.delete_queue("hooked"))
        client.send(tdmq.delete_topic("hooked"))


def test_messages_are_received_and_gone_once_deleted(queue: str) -> None:
    hook = CmqHook()
    assert hook.send(queue, "sent")
    assert hook.publish("hooked", "published")
    messages = hook.receive(queue, wait_seconds=1)
    while len(messages) < 2:
        messages += hook.receive(queue, wait_seconds=1)
    assert sorted(message.body for message in messages) == ["published", "sent"]
    assert all(hook.delete(queue, message) for message in messages)
    assert not hook.delete(queue, messages[0])


async def test_a_hook_works_where_an_event_loop_runs(queue: str) -> None:
    assert CmqHook().send(queue, "sent")
    await asyncio.sleep(0)


def test_a_queue_is_checked_without_taking_a_message(queue: str) -> None:
    hook = CmqHook()
    hook.send(queue, "sent")
    hook.check()
    hook.check_queue(queue)
    with pytest.raises(CmqQueueNotFoundError):
        hook.check_queue("nowhere")
    assert [message.body for message in hook.receive(queue, wait_seconds=1)] == ["sent"]


def test_a_queue_that_keeps_nothing_cannot_be_rewound(queue: str) -> None:
    with pytest.raises(ConfigurationError, match="rewind"):
        CmqHook().rewind_queue(queue, "-1h")
