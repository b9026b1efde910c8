# SPDX-License-Identifier: Apache-2.0
"""Collect the rows of all scenarios, and print them as one table at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.ledger import Row

OUTPUT = Path(".test-output/chaos.json")
COLUMNS = ("waits", "right", "wrong", "lost", "late", "median", "calls", "calls_per_job", "seconds")

_ROWS: list[Row] = []


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Airflow's files of all processes in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        yield


@pytest.fixture
def rows() -> list[Row]:
    """Where each scenario puts its row."""
    return _ROWS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _ROWS:
        return
    terminalreporter.section("chaos")
    width = max(len(row.scenario) for row in _ROWS)
    terminalreporter.write_line(" " * width + "".join(f"{name:>14}" for name in COLUMNS))
    for row in _ROWS:
        cells = row.to_dict()
        terminalreporter.write_line(f"{row.scenario:<{width}}" + "".join(f"{cells[name]:>14}" for name in COLUMNS))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([row.to_dict() for row in _ROWS], indent=1))
    terminalreporter.write_line(f"as JSON: {OUTPUT}")
