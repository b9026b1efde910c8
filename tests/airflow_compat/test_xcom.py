# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import XComResult
from airflow.sdk.execution_time.xcom import XCom
from support.supervisor import supervised

from airflow_batch_events.airflow_compat.xcom import (
    drop_xcom,
    is_too_long_to_expand,
    map_index_of,
    pull_in_trigger,
    push_from_trigger,
    read_xcom,
)


def trigger_of(**task: Any) -> Any:
    return SimpleNamespace(task_instance=SimpleNamespace(dag_id="d", task_id="t", run_id="r", **task))


@pytest.mark.parametrize(("task", "index"), [({"map_index": 3}, 3), ({"map_index": None}, -1), ({}, -1)])
def test_a_task_that_is_not_mapped_has_the_index_minus_one(task: dict[str, Any], index: int) -> None:
    assert map_index_of(trigger_of(**task)) == index


async def test_what_a_trigger_pushes_is_its_task_s_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[dict[str, Any]] = []

    async def aset(**kwargs: Any) -> None:
        pushed.append(kwargs)

    monkeypatch.setattr(XCom, "aset", aset, raising=False)
    await push_from_trigger(trigger_of(map_index=-1), "return_value", [1, 2], mapped_length=2)
    where = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
    assert pushed == [{**where, "key": "return_value", "value": [1, 2], "_mapped_length": 2}]


async def test_a_trigger_pushes_where_xcoms_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(XCom, "aset", raising=False)
    supervisor = supervised(monkeypatch)
    await push_from_trigger(trigger_of(map_index=3), "return_value", {"a": (1, 2)}, mapped_length=1)
    (message,) = supervisor.asked
    where = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": 3}
    stored = XCom.serialize_value({"a": (1, 2)}, key="return_value", **where)
    assert message.items() >= {**where, "type": "SetXCom", "mapped_length": 1, "value": stored}.items()


@pytest.mark.parametrize(("task", "index"), [(3, 3), (None, -1)])
def test_an_xcom_of_the_running_task_is_deleted(monkeypatch: pytest.MonkeyPatch, task: int | None, index: int) -> None:
    asked: list[Any] = []

    def send(message: Any) -> Any:
        asked.append(message)
        return XComResult(key="large", value=None) if type(message).__name__ == "GetXCom" else None

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", SimpleNamespace(send=send), raising=False)
    drop_xcom(SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=task), "large")
    last = asked[-1].model_dump()
    where = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": index}
    assert last.items() >= {**where, "type": "DeleteXCom", "key": "large"}.items()


@pytest.mark.needs("HAS_STATE_STORE")  # The same Airflow brought XCom.aset.
def test_airflow_takes_the_arguments_that_a_trigger_pushes_with() -> None:
    names = XCom.aset.__code__.co_varnames
    assert {"key", "value", "dag_id", "task_id", "run_id", "map_index", "_mapped_length"} <= set(names)


@pytest.mark.parametrize("value", ["job-1", {"a": 1}, None])
async def test_a_trigger_pulls_what_its_task_has_pushed(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    where = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": 3}
    stored = None if value is None else XCom.serialize_value(value, key="k", **where)
    supervisor = supervised(monkeypatch, GetXCom=XComResult(key="k", value=stored))
    assert await pull_in_trigger(trigger_of(map_index=3), "k") == value
    (question,) = supervisor.asked
    assert question.items() >= {**where, "key": "k", "type": "GetXCom"}.items()


async def test_a_trigger_without_a_task_has_nobody_to_push_for() -> None:
    trigger: Any = SimpleNamespace(task_instance=None)
    with pytest.raises(RuntimeError, match="has a task to push for"):
        await push_from_trigger(trigger, "k", 1)


def test_a_result_is_too_long_where_airflow_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    assert not is_too_long_to_expand([1, 2])
    assert is_too_long_to_expand([1, 2, 3])


def test_an_xcom_is_read_by_the_key_of_its_task_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    key: Any = object()
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: (ti_key, key))
    assert read_xcom(key, "_link_BatchJobLink") == (key, "_link_BatchJobLink")
