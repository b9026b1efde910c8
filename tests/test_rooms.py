# SPDX-License-Identifier: Apache-2.0
"""The rooms of the package and the direction of imports between them."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_batch_events
import tencent_batch_emulator

PACKAGE = Path(airflow_batch_events.__file__).parent
# One process reads all modules, once.
pytestmark = pytest.mark.xdist_group("rooms")

NAME = PACKAGE.name
EMULATOR = Path(tencent_batch_emulator.__file__).parent

# The rooms from the ground up; a room imports what is below it, never what is beside or above it.
FLOORS = (
    {"text", "limits", "get_provider_info"},
    {"exceptions"},
    {"times"},
    {"events"},
    {"protocol"},
    {"dispatch", "submission", "provisioning", "jobs"},
    {"airflow_compat"},
    {"hooks"},
    {"links"},
    {"waiting", "lineage"},
    {"triggers"},
    {"operators"},
    {"sensors", "decorators", "queues", "assets", "plugins", "cli"},
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


@functools.cache
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


COMPAT = PACKAGE / "airflow_compat"
OUTSIDE_COMPAT = [path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(COMPAT)]

# What every supported version of Airflow has in the same place, and a package of its own.
IN_EVERY_VERSION = {
    "airflow.cli.cli_config",
    "airflow.sdk",
    "airflow.sdk.bases.decorator",
    "airflow.triggers.base",
    "airflow.providers.openlineage.extractors",
    "airflow.providers.openlineage.extractors.manager",
    "airflow.providers.openlineage.utils.utils",
    "airflow.providers.common.messaging.providers.base_provider",
}


def is_private(name: str) -> bool:
    # The one method of a named tuple is public in spite of its name.
    return name.startswith("_") and not name.startswith("__") and name != "_replace"


def airflow_imports(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield the module, the name in it and the name here of what is imported from Airflow."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and is_within(node.module or "", "airflow"):
            for alias in node.names:
                yield node.module or "", alias.name, alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if is_within(alias.name, "airflow"):
                    yield alias.name, "", alias.asname or "airflow"


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Yield what is private in Airflow, or looks as if it were."""
    for module, name, _ in airflow_imports(tree):
        if any(map(is_private, [*module.split("."), name])):
            yield f"{module} {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            # An attribute of ourselves is looked at below, with the classes that are inherited from.
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from (f"{keyword.arg}=" for keyword in node.keywords if keyword.arg and is_private(keyword.arg))
            for argument in node.args[1:2]:
                is_name = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                if ast.unparse(node.func).endswith("attr") and is_name and is_private(argument.value):
                    yield ast.unparse(node)


def version_checks(tree: ast.AST) -> Iterator[str]:
    """Yield what asks for Airflow's version."""
    for module, name, _ in airflow_imports(tree):
        if module.endswith(("version", "version_compat")) or name in ("__version__", "version"):
            yield f"{module} {name}"
    names = {here for _, _, here in airflow_imports(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("__version__", "version"):
            if ast.unparse(node).split(".")[0] in names:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and re.search(r"version\(.*apache-airflow", ast.unparse(node)):
            yield ast.unparse(node)


@pytest.mark.parametrize(
    ("code", "is_seen"),
    [
        ("from airflow.sdk._shared import x", True),
        ("from airflow.models.dag import _get", True),
        ("import airflow.sdk._shared", True),
        ("from airflow.sdk import XCom\nXCom.set(_mapped_length=1)", True),
        ("def f(mapped): return mapped._expand()", True),
        ("class A(B):\n def f(self): super()._render()", True),
        ("getattr(task, '_BaseOperator__init_kwargs')", True),
        ("import airflow\nairflow.__version__", True),
        ("from airflow.version import version", True),
        ("from importlib import metadata\nmetadata.version('apache-airflow-task-sdk')", True),
        ("from airflow.sdk import BaseHook\nBaseHook.get_connection('c')", False),
        ("from airflow_batch_events import __version__", False),
    ],
)
def test_a_use_of_what_is_private_is_seen(code: str, is_seen: bool) -> None:
    tree = ast.parse(code)
    assert bool([*private_uses(tree), *version_checks(tree)]) is is_seen


def test_only_airflow_compat_knows_airflow_s_private_parts() -> None:
    for path in OUTSIDE_COMPAT:
        tree = ast.parse(path.read_text())
        if next(airflow_imports(tree), None) is not None:
            assert [*private_uses(tree), *version_checks(tree)] == [], path
        assert re.findall(r"airflow\.[a-z_.]*\b_[a-z]", path.read_text()) == [], path


def test_only_airflow_compat_imports_what_versions_moved() -> None:
    for path in OUTSIDE_COMPAT:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
        assert {module for module, _, _ in airflow_imports(tree)} <= IN_EVERY_VERSION, path


def test_no_class_touches_private_names_of_airflow_s_bases() -> None:
    for module in pkgutil.walk_packages([str(PACKAGE)], f"{NAME}."):
        importlib.import_module(module.name)
    for cls in classes_of_ours():
        theirs = {name for base in cls.__mro__ if is_within(base.__module__, "airflow") for name in privates_of(base)}
        for ours in cls.__mro__:
            if is_within(ours.__module__, NAME) and not is_within(ours.__module__, f"{NAME}.airflow_compat"):
                assert not theirs & privates_of(ours), f"{ours} and what {cls} extends"


def classes_of_ours() -> set[type]:
    return {
        item
        for module in list(sys.modules.values())
        if is_within(module.__name__, NAME)
        for item in vars(module).values()
        if isinstance(item, type) and is_within(item.__module__, NAME)
    }


def privates_of(cls: type) -> set[str]:
    """Return the private names that a class defines, or uses of itself."""
    used = re.findall(r"\b(?:self|cls)\.(_[a-zA-Z]\w*)", inspect.getsource(cls))
    return {
        name for name in [*vars(cls), *used] if is_private(name) and not name.startswith(("_abc", f"_{cls.__name__}__"))
    }


def test_the_provider_needs_neither_emulator_nor_devtools():
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


def test_the_two_distributions_share_no_module_of_ours():
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
