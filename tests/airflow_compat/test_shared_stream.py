# SPDX-License-Identifier: Apache-2.0
"""What Airflow's streams do is tested with the triggers, in ``tests/triggers``."""

from __future__ import annotations

import asyncio

import pytest
from airflow.triggers.base import BaseEventTrigger

from airflow_batch_events.airflow_compat import shared_stream


def test_a_trigger_of_airflow_can_share_a_stream() -> None:
    assert hasattr(BaseEventTrigger, "shared_stream_key")
    assert hasattr(shared_stream.SharedStreamProducer, "advance")


async def test_a_fired_trigger_stays_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = asyncio.ensure_future(shared_stream.until_stored())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.setattr(shared_stream, "STORED_BOUND", 0.0)
    await shared_stream.until_stored()
