# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_batch_events.protocol.cmq import CmqClient
from devtools.airflow_stack.processes import ProcessDiedError
from devtools.emulator_process import CloudAddress, EmulatorProcess, provision


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    folder = tmp_path_factory.mktemp("cloud")
    process = EmulatorProcess(folder)
    with process as address:
        assert stat.S_IMODE((folder / "emulator.json").stat().st_mode) == 0o600
        yield address
        child = process.child
    assert child.members() == []


def test_the_key_is_not_shown(cloud: CloudAddress) -> None:
    assert cloud.secret_key not in repr(cloud)


def test_the_connection_leads_to_the_emulator(cloud: CloudAddress) -> None:
    connection = cloud.connection()

    assert (connection["login"], connection["password"]) == (cloud.secret_id, cloud.secret_key)
    assert json.loads(json.dumps(connection["extra"]))["cmq_endpoint"] == cloud.endpoint


async def test_what_is_published_is_on_each_queue(cloud: CloudAddress) -> None:
    provision(cloud, "topic", "one", "two")

    async with CmqClient(cloud.access()) as client:
        await client.publish("topic", "hello")
        messages = [await client.receive(queue_name) for queue_name in ("one", "two")]

    assert [message.body for (message,) in messages] == ["hello", "hello"]


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProcessDiedError, match=r"emulator ended with exit status 2[\s\S]*--no-such-option"):
        EmulatorProcess(tmp_path, "--no-such-option").__enter__()
