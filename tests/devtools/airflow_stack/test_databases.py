# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from devtools.airflow_stack.databases import database_server
from devtools.airflow_stack.mysql_server import MysqlServer
from devtools.airflow_stack.postgres import PostgresServer
from devtools.airflow_stack.temporary_server import DatabaseServer


@pytest.mark.parametrize(
    ("name", "server"), [("", PostgresServer), ("postgresql", PostgresServer), ("mysql", MysqlServer)]
)
def test_a_variable_chooses_the_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, server: type[DatabaseServer]
) -> None:
    monkeypatch.setenv("DATABASE", name)

    assert type(database_server(tmp_path / "log")) is server


def test_an_unknown_database_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE", "oracle")

    with pytest.raises(ValueError, match="DATABASE is 'oracle', must be one of postgresql, mysql"):
        database_server(tmp_path / "log")
