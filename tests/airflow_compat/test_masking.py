# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from support.airflow_names import redact

from airflow_batch_events.airflow_compat.masking import amask_secret, mask_secret


async def test_a_secret_is_masked_in_a_task_and_in_a_trigger() -> None:
    mask_secret("TaskPassw0rd")
    await amask_secret("TriggerPassw0rd")
    assert "Passw0rd" not in str(redact("before TaskPassw0rd, TriggerPassw0rd after"))
