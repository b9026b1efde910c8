# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from devtools.mutants import (
    CORE,
    EXPLAINED,
    PACKAGE,
    ROOT,
    Mutant,
    changed_line,
    files_about,
    modules_in,
    prepare,
    read_explained,
    report,
)

RULES = f"{PACKAGE}/events/many/rules.py"
DIFF = """--- a
+++ a
@@ -1,2 +1,2 @@
 def f(a):
-    return a < 1
+    return a <= 1"""


def test_the_core_is_what_is_named() -> None:
    modules = modules_in(CORE)
    assert RULES in modules
    assert f"{PACKAGE}/dispatch/poll_schedule.py" in modules
    assert not [module for module in modules if module.endswith("__init__.py")]
    assert modules_in([f"{PACKAGE}/events/many", RULES]) == [
        module for module in modules if module.startswith(f"{PACKAGE}/events/many/")
    ]


@pytest.mark.parametrize("path", ["nowhere", f"{PACKAGE}/hooks", f"{PACKAGE}/dispatch/reader.py", "tests"])
def test_what_is_not_in_the_core_is_refused(path: str) -> None:
    with pytest.raises(SystemExit, match=f"{path} has no module of the core"):
        modules_in([path])


def test_a_module_s_tests_are_its_own_and_those_that_import_it() -> None:
    tests = files_about(RULES)
    assert "tests/events/many/test_rules.py" in tests
    assert "tests/events/many/test_run.py" in tests
    assert "tests/events/test_termination.py" not in tests
    # What has no test of its own is tested with what uses it.
    assert "tests/events/test_termination.py" in files_about(f"{PACKAGE}/events/nothing.py")


def test_a_folder_is_prepared_that_changes_only_what_is_asked_for(tmp_path: Path) -> None:
    work = tmp_path / "work"
    for _ in range(2):
        prepare([RULES], work)
    settings = (work / "pyproject.toml").read_text().partition("[tool.mutmut]")[2].splitlines()
    assert f'only_mutate = ["{RULES}"]' in settings
    assert f"pytest_add_cli_args_test_selection = {json.dumps(files_about(RULES))}" in settings
    assert (work / RULES).read_text() == (ROOT / RULES).read_text()


def test_the_report_counts_and_shows_what_survived() -> None:
    assert changed_line(DIFF) == "return a <= 1"
    seen = Mutant(RULES, "events.many.rules.f", "", "", True)
    missed = Mutant(RULES, "events.many.rules.f", changed_line(DIFF), DIFF, False)
    lines, is_good = report([seen, seen, seen, missed], set())
    assert not is_good
    assert "+    return a <= 1" in lines
    assert lines[-1].split() == ["all", "4", "3", "0", "1", "75.0", "%"]
    lines, is_good = report([seen, missed], {(missed.function, missed.line)})
    assert is_good
    assert lines[-1].split() == ["all", "2", "1", "1", "0", "50.0", "%"]


def test_an_explanation_names_a_function_and_the_changed_line() -> None:
    rows = [
        "| Function | Changed to | Why |",
        "|---|---|---|",
        "| `events.x.f` | ``a = `b` \\| c`` | same |",
        "| `x` | y | z |",
    ]
    assert read_explained("\n".join(rows)) == {("events.x.f", "a = `b` | c")}


def test_each_explanation_is_about_a_function_that_exists() -> None:
    for function, _ in read_explained(EXPLAINED.read_text()):
        module, _, name = function.rpartition(".")
        while not (path := ROOT / PACKAGE / f"{module.replace('.', '/')}.py").exists():
            module = module.rpartition(".")[0]
            assert module, function
        assert f"def {name}(" in path.read_text(), function
