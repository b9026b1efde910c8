# SPDX-License-Identifier: Apache-2.0
"""
Change the pure core in small ways, one at a time, and see whether a test notices: ``python -m devtools.mutants PATH``.

Coverage says which lines run; this says whether a test would fail if a line did something else. mutmut makes the
changes and runs the tests. A change that no test notices has survived: either a test is missing, or the change means
the same, and then ``devtools/mutants.md`` says why. The core is what decides without a cloud, a clock or a loop. mutmut
changes the bodies of functions and methods, but neither properties nor constants.

All of it is done in a copy below ``.test-output``, so an interrupted run leaves no changed source behind.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK = ROOT / ".test-output" / "mutants"
EXPLAINED = ROOT / "devtools" / "mutants.md"
PACKAGE = "airflow_batch_events"

CORE = (
    f"{PACKAGE}/events",
    *(f"{PACKAGE}/submission/{name}.py" for name in ("cost_tags", "decision", "identity", "many", "record", "tags")),
    f"{PACKAGE}/dispatch/poll_schedule.py",
)
"""What can be changed: modules, and folders with all modules in and below them."""

# Tests of the core need neither Airflow nor a fixture of all tests, and each change costs a start of pytest.
_ARGUMENTS = ("--noconftest", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestConfigWarning")
# With CI, Hypothesis tries the same examples each time, and takes all the time that it needs.
_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "true"}

_KILLED = {1, 3}
_TIMED_OUT = {24, -24, 36, 152, 255}
_EXPLANATION = re.compile(r"^\| `(?P<function>[\w.]+)` \| (?P<fence>`+) ?(?P<line>.+?) ?(?P=fence) \| .+ \|$")


@dataclass(frozen=True)
class Mutant:
    """
    One change.

    :param module: The module's path from the root.
    :param function: The function or method, with its module, without the name of the package.
    :param line: The first line of the change, as it was changed to.
    :param diff: The whole change.
    :param was_noticed: Whether a test has failed, or did not end.
    """

    module: str
    function: str
    line: str
    diff: str
    was_noticed: bool


def modules_in(paths: Iterable[str], root: Path = ROOT) -> list[str]:
    """
    Return the modules of the core at and below paths, as paths from the root.

    :raises SystemExit: There is none at a path.
    """
    core = [file for path in CORE for file in _files(root / path)]
    found: list[Path] = []
    for given in paths:
        files = [file for file in _files(root / given) if file in core]
        if not files:
            raise SystemExit(f"{given} has no module of the core, which is {', '.join(CORE)}")
        found += files
    return [file.relative_to(root).as_posix() for file in dict.fromkeys(found)]


def _files(path: Path) -> list[Path]:
    files = path.rglob("*.py") if path.is_dir() else [path]
    return sorted(file for file in files if file.name != "__init__.py" and file.exists())


def files_about(module: str, root: Path = ROOT) -> list[str]:
    """
    Return the test files of the core that are about a module: its own, and those that import it; else all.

    :param module: The module's path from the root.
    """
    own = root / _test_of(module)
    dotted = ".".join(Path(module).with_suffix("").parts)
    imported = re.compile(rf"^from {re.escape(dotted)} import ", re.MULTILINE)
    files = [file for path in CORE for file in _files(root / _test_of(path)) if file.name.startswith("test_")]
    about = [file for file in files if file == own or imported.search(file.read_text())]
    return [file.relative_to(root).as_posix() for file in about or files]


def _test_of(path: str) -> Path:
    inside = Path("tests") / Path(path).relative_to(PACKAGE)
    return inside.with_name(f"test_{inside.name}") if inside.suffix else inside


def prepare(modules: Sequence[str], work: Path = WORK, root: Path = ROOT) -> None:
    """Make the folder in which mutmut works: links to what it copies, and its settings."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "emulator").mkdir(parents=True)
    for name in (PACKAGE, "tests", "emulator/tests"):
        (work / name).symlink_to(root / name)
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": list(modules),
        "also_copy": ["emulator/tests"],
        "pytest_add_cli_args_test_selection": sorted(
            {test for module in modules for test in files_about(module, root)}
        ),
        "pytest_add_cli_args": list(_ARGUMENTS),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (work / "pyproject.toml").write_text(
        "\n".join([(root / "pyproject.toml").read_text(), "[tool.mutmut]", *lines, ""])
    )


def read_mutants(modules: Iterable[str]) -> list[Mutant]:
    """
    Return the changes that mutmut has made, and what the tests said; the current folder is mutmut's.

    :raises SystemExit: It has not tried them all.
    """
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    found = []
    for module in modules:
        stored = Path("mutants") / f"{module}.meta"
        codes = json.loads(stored.read_text())["exit_code_by_key"] if stored.exists() else {}
        if None in codes.values():
            raise SystemExit("mutmut was stopped before it had tried every change")
        for key, code in codes.items():
            name, owner = orig_function_and_class_names_from_key(key)
            inside = ".".join(Path(module).with_suffix("").parts[1:])
            was_noticed = code in _KILLED | _TIMED_OUT
            diff = "" if was_noticed else get_diff_for_mutant(key, path=module)
            function = ".".join(part for part in (inside, owner, name) if part)
            found.append(Mutant(module, function, changed_line(diff), diff, was_noticed))
    return found


def changed_line(diff: str) -> str:
    """Return the first line that a change adds, without the spaces around it."""
    added = (line[1:].strip() for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++"))
    return next(added, "")


def read_explained(text: str) -> set[tuple[str, str]]:
    """Return the changes that are explained, as function and changed line, from the rows of the page's tables."""
    rows = filter(None, map(_EXPLANATION.match, text.splitlines()))
    return {(row["function"], row["line"].replace(r"\|", "|")) for row in rows}


def report(mutants: Sequence[Mutant], explained: Collection[tuple[str, str]]) -> tuple[list[str], bool]:
    """Return lines to print, and whether every change was noticed or is explained."""
    lines = []
    survivors = [one for one in mutants if not one.was_noticed and (one.function, one.line) not in explained]
    for one in survivors:
        # The heads of a unified diff say nothing new.
        lines += ["", one.function, *one.diff.splitlines()[3:]]
    lines += ["", f"{'module':<58}{'changes':>8}{'noticed':>9}{'explained':>11}{'survived':>10}{'score':>8}"]
    by_module: dict[str, list[Mutant]] = {one.module: [] for one in mutants}
    for one in mutants:
        by_module[one.module].append(one)
    for module, of_it in [*by_module.items(), ("all", list(mutants))]:
        noticed = sum(one.was_noticed for one in of_it)
        left = sum(one in survivors for one in of_it)
        score = f"{100 * noticed / max(1, len(of_it)):.1f} %"
        lines.append(f"{module:<58}{len(of_it):>8}{noticed:>9}{len(of_it) - noticed - left:>11}{left:>10}{score:>8}")
    return lines, not survivors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mutmut on modules and print what came of it; return 1 if a change has survived and is not explained."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").strip().partition("\n")[0])
    parser.add_argument("path", nargs="*", help="a module of the core, or a folder of modules")
    options = parser.parse_args(arguments)
    modules = modules_in(options.path or CORE)
    prepare(modules)
    os.chdir(WORK)
    # It redraws one line all the time, which only a terminal shows well.
    log = WORK / "mutmut.log"
    with log.open("wb") as file:
        shown = None if sys.stdout.isatty() else file
        command = [str(Path(sys.executable).parent / "mutmut"), "run"]
        done = subprocess.run(command, env=os.environ | _ENVIRONMENT, stdout=shown, stderr=shown)  # noqa: S603 - ours
    if done.returncode:
        sys.stderr.write(f"mutmut ended with {done.returncode}\n{log.read_text()[-4000:]}\n")
        return 2
    lines, is_good = report(read_mutants(modules), read_explained(EXPLAINED.read_text()))
    sys.stdout.write("\n".join([*lines, ""]))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
