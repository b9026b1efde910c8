# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package and the direction of imports between them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_batch_events
import tencent_batch_emulator

PACKAGE = Path(airflow_batch_events.__file__).parent
NAME = PACKAGE.name
EMULATOR = Path(tencent_batch_emulator.__file__).parent

# The rooms from the ground up; a room imports what is below it, never what is beside or above it.
FLOORS = (
    {"text", "limits"},
    {"exceptions"},
    {"times"},
    {"events"},
    {"protocol"},
    {"dispatch", "submission", "provisioning", "jobs"},
    {"hooks"},
    {"links"},
    {"waiting"},
    {"triggers"},
    {"operators"},
    {"sensors", "decorators", "queues", "assets", "cli", "get_provider_info"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Rooms that know nothing of Airflow.
WITHOUT_AIRFLOW = (
    "text",
    "limits",
    "times",
    "exceptions",
    "events",
    "protocol",
    "dispatch",
    "submission",
    "provisioning",
    "jobs",
)


def imports_of(path: Path) -> set[str]:
    """Return every module that the file imports anywhere, also inside functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_is_in_a_room():
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} == {"__init__", *FLOOR}


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_imports_go_one_way(room):
    modules = [path for path in PACKAGE.rglob("*.py") if room_of(path) == room]
    assert modules
    for path in modules:
        for module in imports_of(path):
            if not is_within(module, NAME) or module.count(".") == 0:
                continue
            other = module.split(".")[1]
            if other != room and other in FLOOR:
                assert FLOOR[other] < FLOOR[room], f"{path.relative_to(PACKAGE)} imports {module}"
            assert not is_within(module, "devtools"), path


@pytest.mark.parametrize("room", WITHOUT_AIRFLOW)
def test_what_is_below_airflow_does_not_know_it(room):
    for path in PACKAGE.rglob("*.py"):
        if room_of(path) == room:
            assert not [module for module in imports_of(path) if is_within(module, "airflow")], path


def test_the_provider_does_not_need_the_emulator_nor_what_only_developers_run():
    for path in PACKAGE.rglob("*.py"):
        for module in imports_of(path):
            allowed = path.name == "emulate.py" and path.parent.name == "cli"
            assert not is_within(module, "devtools"), path
            assert allowed or not is_within(module, "tencent_batch_emulator"), path


def test_the_emulator_needs_neither_airflow_nor_the_provider():
    for path in EMULATOR.rglob("*.py"):
        for module in imports_of(path):
            for forbidden in ("airflow", NAME, "devtools", "tencentcloud"):
                assert not is_within(module, forbidden), f"{path} imports {module}"


def test_the_two_distributions_share_no_module_but_third_party_ones():
    code = (
        "import importlib, pkgutil, sys\n"
        "package = importlib.import_module(sys.argv[1])\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print(*sys.modules)"
    )

    def loaded(package: str) -> set[str]:
        command = [sys.executable, "-c", code, package]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    ours = (NAME, "tencent_batch_emulator", "devtools")
    shared = loaded(NAME) & loaded("tencent_batch_emulator")
    assert not [name for name in shared if any(is_within(name, package) for package in ours)]


@pytest.mark.parametrize("package", [PACKAGE, EMULATOR], ids=lambda path: path.name)
def test_no_module_and_no_folder_is_too_large_to_be_understood(package):
    assert [path for path in package.rglob("*.py") if len(path.read_text().splitlines()) > 400] == []
    folders = {path.parent for path in package.rglob("*.py")}
    assert [folder for folder in folders if len(list(folder.glob("*.py"))) > 18] == []


def test_every_module_names_its_license():
    for path in [
        *PACKAGE.rglob("*.py"),
        *PACKAGE.parent.glob("tests/**/*.py"),
        *PACKAGE.parent.glob("devtools/**/*.py"),
        *PACKAGE.parent.glob("emulator/*/**/*.py"),
        *PACKAGE.parent.glob("dags/*.py"),
    ]:
        assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n"), path


@pytest.mark.parametrize(
    "statement",
    [
        "import airflow_batch_events.operators.batch, airflow_batch_events.sensors.batch",
        "import airflow_batch_events.operators.branch",
        "import airflow_batch_events.hooks.batch, airflow_batch_events.hooks.cmq",
    ],
)
def test_a_dag_file_that_imports_us_pays_for_no_client(statement):
    # Airflow's own start-up imports httpx; as a library it does not start up, and what is left is ours.
    code = f"import sys; {statement}; print(*sys.modules)"
    environment = {**os.environ, "_AIRFLOW__AS_LIBRARY": "1"}
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    loaded = process.stdout.split()
    assert "airflow.sdk" in loaded
    ours = f"{NAME}.protocol.sdk", f"{NAME}.dispatch"
    for heavy in ("tencentcloud", "aiohttp", "httpx", "starlette", "uvicorn", *ours):
        assert not [module for module in loaded if is_within(module, heavy)], heavy


def test_importing_the_package_itself_costs_nothing():
    code = "import sys; before = set(sys.modules); import airflow_batch_events; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {NAME, "__future__"}
