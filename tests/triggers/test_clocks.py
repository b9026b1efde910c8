# SPDX-License-Identifier: Apache-2.0
"""The clock of one machine: a wait lasts as long as it was told to, whatever the worker's or the triggerer's says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.compute_env import BatchComputeEnvTrigger, BatchDeleteComputeEnvTrigger
from airflow_batch_events.triggers.event_wait import BatchEventWaitTrigger

TIMEOUT = 1.5
true_time = time.time


def hanging_job() -> str:
    return BatchHook().submit_job(announced_job("scripted: outcome=hang", "events"), PLACEMENT)


WAITS: dict[str, Callable[..., Any]] = {
    "job": lambda **limits: BatchJobTrigger(hanging_job(), "waits", **limits),
    "events": lambda **limits: BatchEventWaitTrigger("waits", {"job_name": "never"}, **limits),
    "nodes": lambda **limits: BatchComputeEnvTrigger("env-n0tthere", 1, poll_interval=0.2, **limits),
}


def state_of(payload: dict[str, Any]) -> str:
    (outcome,) = payload.get("outcomes") or [payload.get("outcome") or {}]
    return outcome.get("state") or payload["status"].upper()


async def run_out(trigger: Any) -> tuple[str, float]:
    """Return how a wait ends, and after how many seconds."""
    began = time.monotonic()
    events = trigger.run()
    try:
        payload = (await asyncio.wait_for(events.__anext__(), 20)).payload
    finally:
        await events.aclose()
    return state_of(payload), time.monotonic() - began


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("off_by", [-3600.0, 3600.0], ids=["slow", "fast"])
@pytest.mark.usefixtures("cloud")
async def test_a_triggerer_with_a_wrong_clock_ends_a_wait_in_time(
    monkeypatch: pytest.MonkeyPatch, kind: str, off_by: float
) -> None:
    trigger = await asyncio.to_thread(WAITS[kind], timeout=TIMEOUT, deadline=true_time() + TIMEOUT)
    monkeypatch.setattr(time, "time", lambda: true_time() + off_by)

    state, seconds = await run_out(trigger)

    assert state == "TIMEOUT"
    assert seconds >= TIMEOUT


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.usefixtures("cloud")
async def test_a_deadline_passed_by_this_clock_alone_ends_nothing(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    trigger = await asyncio.to_thread(WAITS[kind], timeout=TIMEOUT, deadline=true_time() + 600)
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600)

    _, seconds = await run_out(trigger)

    assert seconds >= TIMEOUT


@pytest.mark.usefixtures("cloud")
async def test_a_removal_s_timeout_does_not_follow_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never_gone(self: Any, client: Any, decision: Any) -> None:
        decision.progress = "it stays"

    monkeypatch.setattr(BatchDeleteComputeEnvTrigger, "_turn", never_gone)
    monkeypatch.setattr(time, "time", lambda: true_time() + 3600)

    state, seconds = await run_out(BatchDeleteComputeEnvTrigger("env-1", poll_interval=0.2, timeout=TIMEOUT))

    assert state == "TIMEOUT"
    assert seconds >= TIMEOUT
