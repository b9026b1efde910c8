# SPDX-License-Identifier: Apache-2.0
"""
``python -m devtools.airflow_matrix``, which ``make test-matrix`` runs last: write the table of Airflow versions.

A cell says "works" only where the tests of the feature have passed on that version. What a version does otherwise is
said here, once, and stands in the table only where its tests have passed, too.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

_BEGIN, _END = "<!-- begin: written by make test-matrix -->", "<!-- end -->"


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
    Feature("Connection form, links, log pages", ("integration.test_pages",)),
    Feature("No secret in logs, XComs and pages", ("integration.test_secrets",)),
    Feature("`dags test`, providers and the command line", ("integration.test_commands",)),
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


def put_in(page: str, content: str) -> str:
    """Return a page whose table is a new one."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table: {_BEGIN} ... {_END}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table, and return 1 when a feature fails somewhere."""
    parser = argparse.ArgumentParser(prog="airflow_matrix", description="Write the table of Airflow versions.")
    parser.add_argument(
        "reports",
        nargs="+",
        metavar="VERSION=REPORT",
        help="a version and its JUnit report; where a version has several, each adds its test files",
    )
    parser.add_argument("--page", type=Path, default=Path("docs/compatibility.md"), help="%(default)s by default")
    args = parser.parse_args(arguments)
    results: dict[str, dict[str, Counter[str]]] = {}
    for report in args.reports:
        version, _, path = report.partition("=")
        results.setdefault(version, {}).update(read_report(Path(path).read_text()))
    content = table(results)
    args.page.write_text(put_in(args.page.read_text(), content))
    print(content)  # noqa: T201
    return int("**fails**" in content)


if __name__ == "__main__":
    sys.exit(main())
