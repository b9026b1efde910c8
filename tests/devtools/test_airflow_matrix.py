# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from devtools.airflow_matrix import FEATURES, Feature, cell, environment, main, put_in, read_report, runs, table

REPORT = """<testsuites><testsuite>
<testcase classname="tests.integration.test_endings" name="a"/>
<testcase classname="tests.integration.test_endings" name="b"><failure message="x"/></testcase>
<testcase classname="tests.integration.test_pages" name="c"/>
<testcase classname="tests.integration.test_pages" name="d"><skipped message="x"/></testcase>
</testsuite></testsuites>"""
TESTS = Path(__file__).parents[1]


def test_each_feature_has_tests_that_exist() -> None:
    for feature in FEATURES:
        for name in feature.tests:
            assert (TESTS / f"{name.replace('.', '/')}.py").is_file(), name


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        (Feature("f", ("integration.test_pages",)), "works"),
        (Feature("f", ("integration.test_pages",), otherwise={"3.1": "works, slowly"}), "works, slowly"),
        (Feature("f", ("integration.test_pages",), otherwise={"3.2": "works, slowly"}), "works"),
        (Feature("f", ("integration.test_endings",), otherwise={"3.1": "x"}), "**fails**: 1 of 2 tests"),
        (Feature("f", ("integration.test_pages", "integration.test_endings")), "**fails**: 1 of 3 tests"),
        (Feature("f", ("integration.test_watchers",), missing={"3.1": "refused"}), "refused"),
        (Feature("f", ("integration.test_watchers",)), "not tried"),
    ],
)
def test_a_cell_says_what_the_tests_have_shown(feature: Feature, text: str) -> None:
    assert cell(feature, "3.1", read_report(REPORT)) == text


def test_the_table_has_a_row_for_each_feature() -> None:
    lines = table({"3.1": read_report(REPORT), "3.3": {}}).splitlines()

    assert lines[0] == "| | Airflow 3.1 | Airflow 3.3 |"
    assert len(lines) == len(FEATURES) + 3
    assert lines[-1] == "| Tests | 2 passed | 0 passed |"


def test_the_page_is_written_around_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, report = tmp_path / "page.md", tmp_path / "report.xml"
    page.write_text("before\n<!-- begin: written by make test-matrix -->\nold\n<!-- end -->\nafter\n")
    report.write_text(REPORT)

    assert main([f"3.1={report}", "--page", str(page)]) == 1
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| Airflow 3.1 |" in text
    assert "**fails**" in capsys.readouterr().out


def test_the_reports_of_a_version_add_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- begin: written by make test-matrix -->\n<!-- end -->\n")
    reports = []
    for name in ("test_main_job", "test_ends"):
        reports.append(f"3.3={tmp_path / name}.xml")
        case = f'<testcase classname="tests.integration.{name}" name="test_it"/>'
        (tmp_path / f"{name}.xml").write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    assert main([*reports, "--page", str(page)]) == 0
    assert "| Tests | 2 passed |" in page.read_text()


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        put_in("page", "table")


def report(name: str, *cases: str) -> str:
    """Return the report of a run, each of whose test files has one case."""
    inner = "".join(f'<testcase classname="tests.{case}" name="test_it"/>' for case in cases)
    return f'<testsuites><testsuite name="{name}">{inner}</testsuite></testsuites>'


def test_a_row_says_what_has_run_with_what() -> None:
    failed = REPORT.replace("<testsuite>", '<testsuite name="3.3.2; 3.13.0; 3.1.195; MySQL 9.7.4">')
    old = "3.3.2; 3.9.1; 3.1.0; PostgreSQL 18.6"
    rows = runs([failed, report(old, "a", "b"), report(old, "b", "integration.c"), report("pytest", "a")]).splitlines()

    assert rows[0] == "| Airflow | Python | Vendor SDK | Database | Tests | Of them on a real Airflow |"
    assert rows[2:] == [
        "| 3.3.2 | 3.9.1 | 3.1.0 | PostgreSQL 18.6 | 3 passed | 1 |",
        "| 3.3.2 | 3.13.0 | 3.1.195 | MySQL 9.7.4 | 2 passed, **1 failed** | 2 |",
    ]


def test_a_run_names_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = tmp_path / "mysqld"
    server.write_text("#!/bin/sh\necho 'mysqld  Ver 8.4.2 for Linux on x86_64'\n")
    server.chmod(0o700)
    monkeypatch.setenv("MYSQLD", str(server))
    for database, name in (("", "PostgreSQL 1"), ("mysql", "MySQL 8.4.2")):
        monkeypatch.setenv("DATABASE", database)
        assert environment().split("; ")[3].startswith(name)


def test_the_runs_have_their_own_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- begin: runs, written by make test-matrix -->\n<!-- end -->\n")
    (tmp_path / "airflow-3.3.xml").write_text(report("3.3.2; 3.11.7; 3.1.195; PostgreSQL 18.6", "a"))

    assert main(["--runs", str(tmp_path), "--page", str(page)]) == 0
    assert "| 3.3.2 | 3.11.7 | 3.1.195 | PostgreSQL 18.6 | 1 passed | 0 |" in page.read_text()
    assert capsys.readouterr().out
