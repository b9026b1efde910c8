# SPDX-License-Identifier: Apache-2.0
"""What the two triggers that fire for messages have in common; ``test_shared_stream.py`` reads a real queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.dispatch.message_subscriber import Delivery
from airflow_batch_events.events.message import parse_message
from airflow_batch_events.triggers import queue_events
from airflow_batch_events.triggers.cmq import CmqMessageTrigger
from airflow_batch_events.triggers.event import BatchEventTrigger
from airflow_batch_events.triggers.queue_events import QueueEventTrigger
from airflow_batch_events.triggers.shared_stream import StreamItem

TASK: Any = SimpleNamespace(id="a task", task_id="t")
EVENT = '{"Events":[{"EventName":"%s","EventTime":"2026-01-01T00:00:00Z","Batch":{"JobId":"%s"}}]}'


def item(message_id: str, job_id: str, name: str = "JOB_FAILED") -> StreamItem:
    body = EVENT % (name, job_id)
    events = parse_message(body).events
    delivery = Delivery(message_id, body, 0.0, 1, tuple(events), "handle", lambda delivery, stored: None)
    return StreamItem(delivery, redeliver=False)


async def stream(items: Iterable[StreamItem]) -> AsyncIterator[StreamItem]:
    for one in items:
        yield one


async def fired(trigger: QueueEventTrigger, *items: StreamItem) -> list[Any]:
    return [event.payload async for event in trigger.filter_shared_stream(stream(items))]


@pytest.mark.parametrize("kind", [BatchEventTrigger, CmqMessageTrigger])
def test_the_triggers_of_a_queue_share_its_stream(kind: type[QueueEventTrigger]) -> None:
    one, other = kind(queue_name="q"), kind(queue_name="q")
    assert one.shared_stream_key() == other.shared_stream_key()
    assert one.shared_stream_key() != kind(queue_name="r").shared_stream_key()
    assert one.shared_stream_key() != kind(queue_name="q", region="ap-beijing").shared_stream_key()
    other.task_instance = TASK
    assert one.shared_stream_key() != other.shared_stream_key()


def test_events_and_messages_do_not_share_a_stream() -> None:
    assert BatchEventTrigger("q").shared_stream_key() != CmqMessageTrigger("q").shared_stream_key()


async def test_an_event_in_two_messages_fires_once() -> None:
    payloads = await fired(BatchEventTrigger("q"), item("m1", "job-1"), item("m2", "job-1"), item("m3", "job-2"))
    assert [payload["job_id"] for payload in payloads] == ["job-1", "job-2"]


async def test_each_message_fires_once_whatever_is_in_it() -> None:
    payloads = await fired(CmqMessageTrigger("q"), item("m1", "job-1"), item("m2", "job-1"), item("m1", "job-1"))
    assert [payload["message_id"] for payload in payloads] == ["m1", "m2"]


async def test_what_is_not_wanted_does_not_fire() -> None:
    trigger = BatchEventTrigger("q", ["JOB_SUCCEED"])
    payloads = await fired(trigger, item("m1", "job-1"), item("m2", "job-2", "JOB_SUCCEED"))
    assert [payload["job_id"] for payload in payloads] == ["job-2"]


async def test_a_task_takes_one_message_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_events, "handover_of", lambda trigger: Handover(None))
    trigger = BatchEventTrigger("q", ["JOB_SUCCEED"])
    trigger.task_instance = TASK
    items = [item("m1", "job-1"), item("m2", "job-2", "JOB_SUCCEED"), item("m3", "job-3", "JOB_SUCCEED")]
    events = trigger.filter_shared_stream(stream(items))
    event = await anext(events)
    assert event.payload["job_id"] == "job-2"
    # Airflow closes it when the event is stored. Until then, all that was seen comes back.
    assert [one.redeliver for one in items] == [True, True, False]
    await events.aclose()
