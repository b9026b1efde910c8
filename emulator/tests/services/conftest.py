# SPDX-License-Identifier: Apache-2.0
"""A broker whose clock stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker

NOON = 1_700_000_000.25


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON, running=False)


@pytest.fixture
async def broker(clock: Clock) -> AsyncIterator[Broker]:
    broker = Broker(clock, window=1)
    yield broker
    await broker.close()
