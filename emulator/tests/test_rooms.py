# SPDX-License-Identifier: Apache-2.0
"""The rooms of the emulator: imports go one way, none needs another project's package, and each module is tested."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

import tencent_batch_emulator

NAME = "tencent_batch_emulator"
PACKAGE = Path(tencent_batch_emulator.__file__).parent
TESTS = Path(__file__).parent

# From the ground up; a room imports what is below it, never what is beside or above it.
FLOORS = (
    {"__init__", "clock", "loopback", "token_buckets"},
    {"services/base", "services/keys"},
    {"services/tc3_schema"},
    {"services/cmq", "services/batch", "services/sts"},
    {"services/tdmq"},
    {"faults"},
    {"admin"},
    {"http"},
    {"console"},
    {"emulator"},
    {"testing", "cli"},
    {"pytest_plugin"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parts[-2:] != ("services", "__init__.py"))
# uvloop is used where it is installed; pytest imports the plugin, so it is there.
OPTIONAL = {"uvloop", "pytest"}


def imports_of(path: Path) -> set[str]:
    """Return every module that the file imports anywhere, also inside functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def room_of(parts: tuple[str, ...]) -> str:
    if parts[0] == "services":
        return f"services/{parts[1]}"
    return parts[0] if parts[0] in FLOOR else "__init__"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_is_below_it(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).with_suffix("").parts)
    for module in imports_of(path):
        if module.startswith(f"{NAME}."):
            other = room_of(tuple(module.split(".")[1:]))
            assert other == room or FLOOR[other] < FLOOR[room], f"{room} imports {module}"


def test_only_what_is_declared_is_imported() -> None:
    declared = {text.split(">")[0] for text in requires("tencent-batch-emulator") or () if "extra ==" not in text}
    foreign = {module.split(".")[0] for path in FILES for module in imports_of(path)} - {NAME}
    assert foreign - sys.stdlib_module_names - OPTIONAL <= declared


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name != "__init__.py"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_module_has_its_tests_in_the_file_of_its_name(path: Path) -> None:
    assert (TESTS / path.relative_to(PACKAGE).with_name(f"test_{path.name}")).is_file()
