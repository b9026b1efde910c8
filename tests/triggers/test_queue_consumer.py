# SPDX-License-Identifier: Apache-2.0
"""The first trigger of a triggerer: what it makes the event loop stand still for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient

TOPIC, QUEUE = "events", "waits"

TESTS = Path(__file__).parents[1]
JOB_TRIGGER = "airflow_batch_events.triggers.batch.BatchJobTrigger"
HEAVY = ("aiohttp", "httpx", "httpcore", "tencentcloud", "airflow_batch_events.dispatch.consumer")
MOST_BUSY = 0.5
"""Seconds of processor time for one step of the loop: five times the goal, for a machine that is busy or slow."""


@pytest.fixture
def seen(cloud: Any) -> dict[str, Any]:
    """What a fresh process has seen of a trigger whose job ends at once, and which ends its task."""
    with SdkClient(address_of(cloud).access()) as client:
        job_id = client.send(batch.submit_job(announced_job("scripted: duration=0", TOPIC), PLACEMENT))
    kwargs = {"job_id": job_id, "queue_name": QUEUE, "end": {"push_result": True}}
    process = subprocess.run(
        [sys.executable, "-m", "support.fresh_triggerer", JOB_TRIGGER, json.dumps(kwargs)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS)))},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def test_the_loop_does_not_stand_still_for_the_first_wait(seen: dict[str, Any]) -> None:
    assert seen["event"] == "TaskSuccessEvent"
    for name in HEAVY:
        assert name not in seen["imports"], f"{name} is imported on the loop"
    # The rest of the package, the clients and their certificates come from a thread.
    assert {"aiohttp", "tencentcloud", "airflow_batch_events.dispatch.consumer"} <= set(seen["others"])
    assert seen["certificates"]
    assert not any(seen["certificates"])
    assert seen["busy"] < MOST_BUSY
