# SPDX-License-Identifier: Apache-2.0
"""What the tests of the emulator's front share: a running emulator and a client that signs by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from emulator.signed_client import SignedClient

from airflow_batch_events.emulator.batch.settings import Delays
from airflow_batch_events.emulator.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[SignedClient]:
    async with SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.clock.time) as client:
        yield client
