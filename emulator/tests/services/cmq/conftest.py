# SPDX-License-Identifier: Apache-2.0
"""The data plane over a broker whose clock stands still."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.cmq_calls import Call

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.service import CmqService


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
