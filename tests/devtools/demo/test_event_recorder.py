# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from support.emulator_helpers import address_of

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.protocol.cmq import CmqClient
from devtools.demo.event_recorder import EventRecorder
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT, wait_until
from tencent_batch_emulator.testing import start_emulator

EVENT = {
    "Version": "1.0",
    "EventTime": "2026-01-01T00:00:00Z",
    "Region": "ap-guangzhou",
    "EventName": "JOB_SUCCEED",
    "Batch": {"JobId": "job-12345678"},
}


@pytest.fixture
def address() -> Iterator[CloudAddress]:
    with start_emulator() as emulator:
        yield address_of(emulator)


async def test_events_are_shown_and_timed(address: CloudAddress) -> None:
    provision(address, "topic", "own")
    shown: list[BatchEvent] = []
    was_shown = threading.Event()

    def show(event: BatchEvent) -> None:
        shown.append(event)
        was_shown.set()

    async with CmqClient(address.access()) as client:
        await client.publish("topic", json.dumps({"Events": [EVENT]}))
    with EventRecorder(address.access(), "own", show) as recorder:
        assert was_shown.wait(LIMIT)
        recorder.check()

    assert [event.job_id for event in shown] == ["job-12345678"]
    assert set(recorder.settled_at) == {"job-12345678"}


def test_a_queue_that_does_not_exist_is_an_error(address: CloudAddress) -> None:
    with EventRecorder(address.access(), "nowhere", print) as recorder:

        def error() -> RuntimeError | None:
            try:
                recorder.check()
            except RuntimeError as error:
                return error
            return None

        assert "'nowhere' cannot be read" in str(wait_until(error, failure=lambda: "it goes on"))
