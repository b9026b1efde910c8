# SPDX-License-Identifier: Apache-2.0
"""The TDMQ service over a broker whose clock stands still."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tencent_batch_emulator.services.base import Caller
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.tdmq.service import TdmqService

CALLER = Caller("AKIDEXAMPLE", 1250000001, "ap-guangzhou")


@pytest.fixture
def call(broker: Broker) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Call an action with its parameters."""
    service = TdmqService(broker)

    async def call(action: str, **params: Any) -> dict[str, Any]:
        return await service.actions[action](params, CALLER)

    return call
