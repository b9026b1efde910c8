# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import BaseHook, Connection

from airflow_batch_events.airflow_compat.connections import (
    UNREADABLE,
    aget_connection,
    get_connection_outside_tasks,
)
from airflow_batch_events.airflow_compat.exceptions import AirflowNotFoundException

TEXT = '{"conn_type": "tencentcloud", "login": "AKID1", "password": "p"}'


async def test_a_trigger_reads_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", TEXT)
    assert (await aget_connection("mine")).login == "AKID1"


async def test_a_connection_out_of_async_reach_is_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in ``dag.test()``, for a connection in the database."""
    there = Connection(conn_id="mine", conn_type="tencentcloud")

    async def not_found(conn_id: str) -> Any:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(BaseHook, "aget_connection", not_found)
    monkeypatch.setattr(BaseHook, "get_connection", {"mine": there}.get)
    assert await aget_connection("mine") is there


async def test_a_connection_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(AirflowNotFoundException):
        await aget_connection("nowhere")


def test_a_command_line_reads_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINE", TEXT)
    assert get_connection_outside_tasks("mine").login == "AKID1"


@pytest.mark.parametrize("text", ["{", "[]", '{"passwort": "x"}', '{"conn_type": 7}', '{"port": "x"}', '{"port": [1]}'])
def test_a_connection_that_cannot_be_read_is_one_of_a_few_errors(text: str) -> None:
    with pytest.raises(UNREADABLE):
        Connection.from_json(text, conn_id="odd")
