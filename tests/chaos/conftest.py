# SPDX-License-Identifier: Apache-2.0
"""Collect the rows of all scenarios, and print them as one table at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.ledger import Row

OUTPUT = Path(".test-output/chaos.json")
COLUMNS = ("waits", "right", "wrong", "lost", "late", "median", "calls", "calls_per_job", "seconds")

PROPERTY = "chaos"


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Airflow's files of all processes in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        yield


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Take a scenario's row; it travels with the test's report, because the test may run in another process."""
    return lambda row: record_property(PROPERTY, row.to_dict())


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows: list[dict[str, object]] = [
        row for report in reports for name, row in getattr(report, "user_properties", ()) if name == PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("chaos")
    width = max(len(str(row["scenario"])) for row in rows)
    terminalreporter.write_line(" " * width + "".join(f"{name:>14}" for name in COLUMNS))
    for row in rows:
        line = f"{row['scenario']:<{width}}" + "".join(f"{row[name]:>14}" for name in COLUMNS)
        terminalreporter.write_line(line)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(rows, indent=1))
    terminalreporter.write_line(f"as JSON: {OUTPUT}")
