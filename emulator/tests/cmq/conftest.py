# SPDX-License-Identifier: Apache-2.0
"""A broker whose clock stands still, and the data plane in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from helpers.cmq_calls import Call

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.service import CmqService

NOON = 1_700_000_000.25


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON, running=False)


@pytest.fixture
async def broker(clock: Clock) -> AsyncIterator[Broker]:
    broker = Broker(clock, window=1)
    yield broker
    await broker.close()


@pytest.fixture
def call(broker: Broker) -> Call:
    """Call an action of the data plane; a list becomes numbered parameters from 1."""
    service = CmqService(broker)

    async def call(action: str, **params: Any) -> dict[str, Any]:
        flat = {"Action": action}
        for name, value in params.items():
            if isinstance(value, list):
                flat.update({f"{name}.{number}": str(item) for number, item in enumerate(value, 1)})
            else:
                flat[name] = str(value)
        return await service.handle(flat, "127.0.0.1:8080")

    return call
