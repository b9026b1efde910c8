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

PACKAGE = Path(airflow_batch_events.__file__).parent
NAME = PACKAGE.name

# What each room must not import; whoever imports it would pull that in, too.
FORBIDDEN = {
    "protocol": {"airflow", f"{NAME}.events.outcome", f"{NAME}.dispatch", f"{NAME}.emulator"},
    "events": {"airflow", f"{NAME}.protocol", f"{NAME}.dispatch", f"{NAME}.emulator"},
    "dispatch": {"airflow", f"{NAME}.emulator", f"{NAME}.hooks", f"{NAME}.triggers"},
    "emulator": {"airflow", f"{NAME}.dispatch", f"{NAME}.hooks", f"{NAME}.triggers", f"{NAME}.protocol"},
}


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


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_go_one_way(room):
    modules = list((PACKAGE / room).rglob("*.py"))
    assert modules
    for path in modules:
        for module in imports_of(path):
            for forbidden in FORBIDDEN[room]:
                assert not is_within(module, forbidden), f"{path.relative_to(PACKAGE)} imports {module}"


def test_every_module_names_its_licence():
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.parent.glob("tests/**/*.py"), *PACKAGE.parent.glob("dags/*.py")]:
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
