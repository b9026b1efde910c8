# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from devtools.airflow_matrix import FEATURES, Feature, cell, main, put_in, read_report, table

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
