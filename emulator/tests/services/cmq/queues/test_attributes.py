# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.queues.attributes import QueueAttributes


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("visibility_timeout", 0),
        ("visibility_timeout", 43_201),
        ("polling_wait_seconds", 31),
        ("max_msg_size", 1023),
        ("msg_retention_seconds", 29),
        ("msg_retention_seconds", 43_201),
        ("rewind_seconds", 1_296_001),
        ("max_msg_heap_num", 10),
        ("retention_size_in_mb", 10_240),
    ],
)
async def test_attributes_out_of_range_are_refused(broker: Broker, setting: str, value: int) -> None:
    settings: dict[str, Any] = {setting: value}
    with pytest.raises(CmqFault, match=f"{value}"):
        broker.create_queue("jobs", QueueAttributes(**settings))
    assert "jobs" not in broker.queues
