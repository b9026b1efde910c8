# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import inspect
import time

import pytest
from support.airflow_names import encode_trigger

from airflow_batch_events.triggers.compute_env import (
    BatchComputeEnvTrigger,
    BatchDeleteComputeEnvTrigger,
    EnvTrigger,
)

TIMES = (1_767_225_600.0, 1_767_225_000.0)


@pytest.mark.parametrize(
    "trigger",
    [
        BatchComputeEnvTrigger(
            "env-1", 3, True, 1, 7, "c", "ap-beijing", 10.0, 30.0, 1_767_225_600.0, 1_767_225_000.0, "nodes"
        ),
        BatchDeleteComputeEnvTrigger("env-1", True, "c", "ap-beijing", 10.0, 1_767_225_600.0, 1_767_225_000.0, "nodes"),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_a_trigger_is_made_again_from_what_it_serializes(trigger):
    path, kwargs = trigger.serialize()
    assert path == f"airflow_batch_events.triggers.compute_env.{type(trigger).__name__}"
    assert type(trigger)(**kwargs).serialize() == (path, kwargs)
    assert set(kwargs) == set(inspect.signature(type(trigger)).parameters)
    encode_trigger(trigger)


def test_the_event_is_the_last_thing_that_run_does():
    source = inspect.getsource(EnvTrigger.run).rstrip()
    assert source.splitlines()[-1].strip().startswith("yield ")
    assert source.count("yield") == 1


def test_an_early_result_is_held_until_the_worker_is_gone(cloud):
    async def fire() -> tuple[float, dict]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        trigger = BatchDeleteComputeEnvTrigger("env-12345678", not_before=time.time() + 0.5)
        event = await anext(trigger.run())
        return loop.time() - began, event.payload

    seconds, payload = asyncio.run(fire())
    assert payload["outcome"]["state"] == "GONE"
    assert seconds >= 0.4
