# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.protocol.cmq import CmqClient
from devtools.airflow_stack.processes import ProcessDiedError
from devtools.demo.event_recorder import EventRecorder
from devtools.emulator_process import CloudAddress, EmulatorProcess, provision
from devtools.waits import LIMIT

EVENT = {
    "Version": "1.0",
    "EventTime": "2026-01-01T00:00:00Z",
    "Region": "ap-guangzhou",
    "EventName": "JOB_SUCCEED",
    "Batch": {"JobId": "job-12345678"},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    folder = tmp_path_factory.mktemp("cloud")
    process = EmulatorProcess(folder)
    with process as address:
        assert stat.S_IMODE((folder / "emulator.json").stat().st_mode) == 0o600
        yield address
        child = process.child
    assert child.members() == []


def test_the_key_is_not_shown_where_the_address_is(cloud: CloudAddress) -> None:
    assert cloud.secret_key not in repr(cloud)


def test_the_connection_leads_to_the_emulator(cloud: CloudAddress) -> None:
    connection = cloud.connection()

    assert (connection["login"], connection["password"]) == (cloud.secret_id, cloud.secret_key)
    assert json.loads(json.dumps(connection["extra"]))["cmq_endpoint"] == cloud.endpoint


async def test_what_is_published_to_the_topic_is_heard_on_each_queue(cloud: CloudAddress) -> None:
    provision(cloud, "heard", "heard-one", "heard-two")
    heard: list[BatchEvent] = []
    was_heard = threading.Event()

    def tell(event: BatchEvent) -> None:
        heard.append(event)
        was_heard.set()

    async with CmqClient(cloud.access()) as client:
        await client.publish("heard", json.dumps({"Events": [EVENT]}))
        (other,) = await client.receive("heard-two")
    with EventRecorder(cloud.access(), "heard-one", tell) as recorder:
        assert was_heard.wait(LIMIT)
        recorder.check()

    assert other.body == json.dumps({"Events": [EVENT]})
    assert [event.job_id for event in heard] == ["job-12345678"]
    assert set(recorder.settled_at) == {"job-12345678"}


def test_a_listener_whose_queue_does_not_exist_says_so(cloud: CloudAddress) -> None:
    with EventRecorder(cloud.access(), "nowhere", print) as recorder:
        recorder._thread.join(LIMIT)

        with pytest.raises(RuntimeError, match="'nowhere' cannot be read"):
            recorder.check()


def test_an_emulator_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProcessDiedError, match=r"emulator ended with exit status 2[\s\S]*--no-such-option"):
        EmulatorProcess(tmp_path, "--no-such-option").__enter__()
