# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.demo.job_gate import SETTLE, JobGate
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT
from tencent_batch_emulator.testing import start_emulator


@pytest.fixture
def address() -> Iterator[CloudAddress]:
    with start_emulator() as emulator:
        yield address_of(emulator)


def test_all_are_watched_when_each_job_was_polled(
    tmp_path: Path, address: CloudAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("devtools.demo.job_gate.time.monotonic", lambda: now)
    provision(address, "topic", "own")
    with SdkClient(address.access()) as client:
        ids = [client.send(batch.submit_job(announced_job("scripted:", "topic"), PLACEMENT)) for _ in range(3)]
        gate = JobGate(tmp_path, address, jobs=3)

        assert not gate.all_are_watched()
        client.send(batch.describe_job_states(ids[:2]))
        assert not gate.all_are_watched()
        client.send(batch.describe_job_states(ids))
        assert not gate.all_are_watched()
        assert gate.settled_at is None
        now += SETTLE
        assert gate.all_are_watched()
        settled_at = gate.settled_at
        assert settled_at is not None
        assert gate.all_are_watched()
        assert gate.settled_at == settled_at, "it stays what it was first"

        gate.watch_again()
        assert gate.settled_at is None
        assert not gate.all_are_watched()
        client.send(batch.describe_job_states(ids))
        gate.all_are_watched()
        now += SETTLE
        assert gate.all_are_watched()


def test_a_job_ends_when_the_gate_opens(tmp_path: Path, address: CloudAddress) -> None:
    folder = tmp_path / "a folder's name"
    folder.mkdir()
    gate = JobGate(folder, address, jobs=1)
    with subprocess.Popen(["/bin/sh", "-c", f"{gate.command}; exit 3"]) as job:
        assert not gate.is_open
        assert job.poll() is None

        gate.open()

        assert gate.is_open
        assert job.wait(LIMIT) == 3
