# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.supervisor import supervised

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.triggers.task_settler import settle_when_stored

TASK = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SimpleNamespace(task_states={"r": {"t": "scheduled"}}), ["m1", "m2"]),
        (SimpleNamespace(task_states={}), ["m1", "m2"]),
        (SimpleNamespace(task_states={"r": {"t": "deferred"}}), []),
        (RuntimeError("the supervisor has gone"), []),
    ],
    ids=["goes on", "is gone", "still waits", "is not known"],
)
async def test_messages_go_when_their_task_goes_on(
    monkeypatch: pytest.MonkeyPatch, answer: Any, expected: list[str]
) -> None:
    monkeypatch.setattr(abilities, "HAS_TRIGGER_ON_KILL", False)
    supervised(monkeypatch, GetTaskStates=answer)
    warned: list[str] = []
    settled: list[str] = []
    trigger: Any = SimpleNamespace(
        task_instance=TASK, log=SimpleNamespace(warning=lambda text, *values: warned.append(text % values))
    )
    subscriber: Any = SimpleNamespace(settle=lambda delivery, is_stored: settled.append(delivery))
    deliveries: Any = ["m1", "m2"]
    task = asyncio.ensure_future(settle_when_stored(trigger, subscriber, deliveries))
    await asyncio.sleep(0)
    assert settled == []
    # As Airflow does when it has stored the event, or when the triggerer stops.
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert settled == expected
    assert bool(warned) is isinstance(answer, Exception)
