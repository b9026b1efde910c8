# SPDX-License-Identifier: Apache-2.0
"""Names that queues, topics and subscriptions may have."""

from __future__ import annotations

import pytest

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault


@pytest.mark.parametrize("name", ["1st", "", "a" * 65, "a.b", "ä", "jobs-retry", "jobs-DLQ", "jobs\n"])
async def test_a_name_that_no_queue_may_have_is_refused(broker: Broker, name: str) -> None:
    with pytest.raises(CmqFault, match="10020"):
        broker.create_queue(name)
