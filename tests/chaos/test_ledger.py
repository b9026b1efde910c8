# SPDX-License-Identifier: Apache-2.0
"""The judge itself: a wrong, a lost and a contradicting conclusion must show, or the chaos suite proves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from chaos.ledger import Ledger, WatchedEmulator
from chaos.runner import TOPIC, make_job

from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from tencent_batch_emulator.services.batch.settings import Delays


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    """A ledger with one wait, "a", for a job that has failed."""
    async with WatchedEmulator(runner="scripted", delays=Delays.none()) as emulator:
        access = CloudAccess.at_endpoint(emulator.endpoint, emulator.secret_id, emulator.secret_key)
        async with AsyncSdkClient(access) as api:
            await api.send(tdmq.create_topic(TOPIC))
            job_id = await api.send(batch.submit_job(make_job("scripted: outcome=failed"), {"Zone": "ap-guangzhou-6"}))
        await emulator.batch.flush()
        ledger = Ledger(emulator)
        ledger.begin("a", job_id)
        yield ledger


def payload(ledger: Ledger, state: str, **changes: Any) -> dict[str, Any]:
    job_id = ledger.waits["a"]
    outcome = {"job_id": job_id, "state": state, "succeeded": state == "SUCCEED", **changes}
    return {"job_id": job_id, "status": "ended", "outcomes": [outcome]}


def judged(ledger: Ledger) -> tuple[int, int, int]:
    row = ledger.judge("a scenario", 1.0)
    return row.right, row.wrong, row.lost


async def test_the_truth_is_right(ledger: Ledger) -> None:
    ledger.conclude("a", payload(ledger, "FAILED"))

    assert judged(ledger) == (1, 0, 0)


async def test_silence_is_a_loss(ledger: Ledger) -> None:
    assert judged(ledger) == (0, 0, 1)


@pytest.mark.parametrize("state", ["SUCCEED", "FAILED_INTERRUPTED", "NOT_FOUND", "TIMEOUT"])
async def test_anything_else_is_wrong(ledger: Ledger, state: str) -> None:
    ledger.conclude("a", payload(ledger, state))

    assert judged(ledger) == (0, 1, 0)


async def test_a_contradiction_is_wrong(ledger: Ledger) -> None:
    ledger.conclude("a", payload(ledger, "FAILED", succeeded=True))

    assert judged(ledger) == (0, 1, 0)


async def test_a_second_conclusion_that_differs_is_wrong(ledger: Ledger) -> None:
    ledger.conclude("a", payload(ledger, "FAILED"))
    ledger.conclude("a", payload(ledger, "SUCCEED"))

    assert judged(ledger) == (0, 1, 0)


async def test_an_error_is_wrong(ledger: Ledger) -> None:
    ledger.conclude("a", {"job_id": ledger.waits["a"], "status": "error", "error": "X", "message": "x"})

    assert judged(ledger) == (0, 1, 0)


async def test_a_wait_that_fires_after_it_was_cancelled_is_wrong(ledger: Ledger) -> None:
    ledger.cancel()
    assert judged(ledger) == (1, 0, 0)

    ledger.conclude("a", payload(ledger, "FAILED"))

    assert judged(ledger) == (0, 1, 0)
