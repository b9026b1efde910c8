# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.protocol.apis import batch


def test_a_request_does_not_show_what_is_in_the_job() -> None:
    job = {"Tasks": [{"Application": {"Docker": {"Password": "passw0rd"}}}]}
    assert "passw0rd" not in repr(batch.submit_job(job, {"Zone": "ap-guangzhou-6"}))
