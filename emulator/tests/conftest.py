# SPDX-License-Identifier: Apache-2.0
"""What tests of the running emulator share: the emulator, a client that signs by itself, and a process."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from helpers.emulator_process import Process
from helpers.signed_client import SignedClient
from hypothesis import HealthCheck, settings

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

# Hypothesis measures how long an example takes, which on a busy machine says nothing about the code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_configure() -> None:
    """Handle Ctrl-C also in the background of a shell, where all processes of the tests would ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[SignedClient]:
    async with SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.clock.time) as client:
        yield client


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.kill()
