# SPDX-License-Identifier: Apache-2.0
"""What docs/compatibility.md says has run, and what the metadata promise: neither says more than the other."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
ABOUT = metadata.metadata("airflow-batch-events")
DEPENDENCIES = [text for text in metadata.requires("airflow-batch-events") or () if "extra ==" not in text]
# Airflow, Python, the vendor's SDK, the database, what failed, and how many tests a real Airflow had.
ROW = re.compile(
    r"^\| (3\.\d+)\.\d+ \| (3\.\d+)\.\d+ \| ([\d.]+) \| (\w+) [\d.]+ \| [\d,]+ passed(.*) \| (\d+) \|$", re.MULTILINE
)
RUNS = [match.groups() for match in ROW.finditer(PAGE.partition("## What has run with what")[2])]


def column(number: int) -> set[str]:
    return {row[number] for row in RUNS}


def bounds() -> dict[str, str]:
    """Return the lowest version of each dependency."""
    found = (re.fullmatch(r"([\w-]+)>=([\d.]+)", dependency) for dependency in DEPENDENCIES)
    return {match[1]: match[2] for match in found if match}


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions that a file of constraints pins, which may differ between Pythons."""
    pinned: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE):
        pinned.setdefault(package, set()).add(version)
    return pinned


def release(version: str) -> tuple[int, ...]:
    numbers = tuple(map(int, version.split(".")))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def test_each_dependency_has_a_lowest_version() -> None:
    assert len(bounds()) == len(DEPENDENCIES)


def test_the_lowest_versions_are_what_is_tested() -> None:
    pinned = pins("constraints-lowest.txt")
    wrong = {name: pinned[name] for name, low in bounds().items() if {release(low)} != set(map(release, pinned[name]))}
    assert not wrong, "run 'make constraints AIRFLOW=lowest', and 'make test-matrix'"


def test_what_has_failed_is_explained() -> None:
    assert RUNS
    explained = PAGE.partition("### What fails")[2].partition("\n#")[0]
    assert all(f"Airflow {row[0]}" in explained for row in RUNS if row[4])


def test_each_python_that_the_metadata_name_has_run() -> None:
    named = {
        text.rpartition(" ")[2] for text in ABOUT.get_all("Classifier", []) if re.search(r":: Python :: 3\.\d", text)
    }
    assert named == column(1)
    assert ABOUT["Requires-Python"] == f">={min(named, key=release)}"


def test_each_airflow_has_run() -> None:
    dated = re.search(r"^DATED := (.*)$", MAKEFILE, re.MULTILINE)
    assert dated
    old = {pair.partition(":")[0] for pair in dated[1].split()} - {"lowest"}
    assert old < column(0)
    newest = pins("constraints.txt")["apache-airflow"].pop()
    assert ".".join(newest.split(".")[:2]) in column(0)


@pytest.mark.parametrize("database", ["PostgreSQL", "MySQL"])
def test_each_database_has_run(database: str) -> None:
    assert database in column(3)


def test_the_oldest_and_the_newest_sdk_have_run() -> None:
    name = "tencentcloud-sdk-python-common"
    assert {release(bounds()[name]), *map(release, pins("constraints.txt")[name])} <= set(map(release, column(2)))


def test_the_workflow_runs_what_the_makefile_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    pairs = re.search(r"^PAIRS := (.*)$", MAKEFILE, re.MULTILINE)
    assert pairs
    assert re.findall(r'airflow: "(\S+)", python: "(\S+)"', workflow) == [tuple(x.split(":")) for x in pairs[1].split()]
