# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.airflow_names import redact
from support.supervisor import supervised

from airflow_batch_events.airflow_compat.masking import amask_secret, mask_secret


async def test_a_secret_is_masked_in_a_task_and_in_a_trigger() -> None:
    mask_secret("TaskPassw0rd")
    await amask_secret("TriggerPassw0rd")
    assert "Passw0rd" not in str(redact("before TaskPassw0rd, TriggerPassw0rd after"))


async def test_the_supervisor_of_a_trigger_masks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervised(monkeypatch)
    await amask_secret("TriggerPassw0rd")
    assert supervisor.asked == [{"value": "TriggerPassw0rd", "type": "MaskSecret"}]
