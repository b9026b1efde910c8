# SPDX-License-Identifier: Apache-2.0
"""What you get when you install the packages: the files in them, and that they work where nothing else is."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from airflow_batch_events import __version__
from devtools.airflow_stack.processes import ChildProcess, run_to_end, stop_all
from devtools.waits import LIMIT, wait_until

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_batch_events"
EMULATOR = ROOT / "emulator"
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
CONSTRAINTS = os.environ.get("CONSTRAINTS", "constraints.txt")
"""The versions that are installed beside the wheels; the Makefile names those of the environment that it runs."""

pytestmark = [
    pytest.mark.skipif(UV is None, reason="uv, which 'make' installs where it can, is not here"),
    pytest.mark.xdist_group("packaging"),
]

# Python files and everything else that is no by-product; the tree itself says what has to be in the wheel.
BY_PRODUCTS = (
    "__pycache__",
    ".pyc",
    ".hypothesis",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".test-output",
    ".demo",
)
# A user's own Airflow must not be what is tested.
FOREIGN = re.compile(r"AIRFLOW|PYTHONPATH$|VIRTUAL_ENV$")

IMPORT_ALL = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
failures = {}
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failures[module.name] = error.name
print(json.dumps(failures))
"""


def run(*command: object, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a command to its good end and return what it printed."""
    done = run_to_end(list(map(str, command)), env=os.environ if env is None else env, cwd=cwd, timeout=LIMIT)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def test_pytest_xdist_keeps_groups_together(request: pytest.FixtureRequest) -> None:
    # Where it silently does not, as under pytest 9.2, tests get into each other's way.
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@packaging")


def build(source: Path, folder: Path) -> dict[str, Path]:
    """Build the sdist, and from it the wheel; return both by their endings."""
    run(UV, "build", "--quiet", "--out-dir", folder, source)
    return {kind: next(folder.glob(f"*{kind}")) for kind in (".whl", ".tar.gz")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The provider."""
    return build(ROOT, tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def built_emulator(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The emulator."""
    return build(EMULATOR, tmp_path_factory.mktemp("emulator"))


def files_below(folder: Path) -> set[str]:
    """Return a folder's files by their path from the root of the repository, without by-products."""
    paths = (path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path for path in paths if not any(by_product in path for by_product in BY_PRODUCTS)}


def look_into(path: Path) -> tuple[set[str], str, str]:
    """Return the names in a wheel, the folder of its metadata, and the metadata."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        metadata = next(name for name in names if name.endswith("/METADATA"))
        return names, metadata.removesuffix("METADATA"), wheel.read(metadata).decode()


def test_the_wheel_has_the_provider_only(built: dict[str, Path]) -> None:
    names, about, text = look_into(built[".whl"])
    # No emulator, no demo, no tests.
    assert {name.split("/")[0] for name in names} == {PACKAGE.name, about.rstrip("/")}
    assert {name for name in names if not name.startswith(about)} == files_below(PACKAGE)
    assert {"airflow_batch_events/py.typed", f"{about}licenses/LICENSE", f"{about}entry_points.txt"} <= names
    assert f"\nVersion: {__version__}\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    assert "# airflow_batch_events" in text


def test_the_emulators_wheel_has_the_emulator_only(
    built_emulator: dict[str, Path],
) -> None:
    names, about, text = look_into(built_emulator[".whl"])
    expected = {name.removeprefix("emulator/") for name in files_below(EMULATOR / "tencent_batch_emulator")}
    assert {name for name in names if not name.startswith(about)} == expected
    assert {"tencent_batch_emulator/py.typed", f"{about}licenses/LICENSE", f"{about}entry_points.txt"} <= names
    required = re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*extra ==).*$", text, re.MULTILINE)
    assert not [name for name in required if "airflow" in name or "tencentcloud" in name]


def names_in_sdist(path: Path) -> set[str]:
    """Return the names of the files in an sdist, without its folder."""
    with tarfile.open(path) as sdist:
        return {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}


def test_the_sdist_has_the_provider_and_examples_only(built: dict[str, Path]) -> None:
    names = names_in_sdist(built[".tar.gz"])
    # A file of git's own is added by the build.
    about = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "hatch_build.py", "pyproject.toml", ".gitignore"}
    assert names == files_below(PACKAGE) | files_below(ROOT / "dags") | about


def test_the_emulators_sdist_has_the_emulator_only(built_emulator: dict[str, Path]) -> None:
    names = names_in_sdist(built_emulator[".tar.gz"])
    expected = {name.removeprefix("emulator/") for name in files_below(EMULATOR / "tencent_batch_emulator")}
    assert names - {".gitignore"} == expected | {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


def imported_by(package: Path) -> set[str]:
    """Return the names of the foreign packages that a package imports anywhere."""
    imported = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module, "imports are absolute"
                # Those of airflow come from several distributions.
                imported.add(node.module if node.module.startswith("airflow.") else node.module.partition(".")[0])
    return imported - {*sys.stdlib_module_names, package.name}


def declared_in(metadata: str, *, extra: str = "") -> set[str]:
    """Return the distributions that a wheel needs, or those of one of its extras."""
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*(?:;.*extra == '(\w+)')?$", metadata, re.MULTILINE)
    return {name for name, of in needed if of == extra}


def names_by_package() -> dict[str, set[str]]:
    """Return which distributions have files of a package; Python 3.10 knows that only of those that say so."""
    found: dict[str, set[str]] = {}
    for distribution in distributions():
        for file in distribution.files or ():
            found.setdefault(file.parts[0].removesuffix(".py"), set()).add(normalized(distribution.metadata["Name"]))
    return found


# Used where it happens to be there; WTForms, where Airflow's API server puts something in its place.
OPTIONAL = {"uvloop", "wtforms"}


def test_exactly_what_is_imported_is_declared(built: dict[str, Path]) -> None:
    metadata = look_into(built[".whl"])[2]
    imported = imported_by(PACKAGE) - OPTIONAL
    declared = declared_in(metadata)
    by_package = names_by_package()

    def sources(module: str) -> set[str]:
        if module.startswith("airflow.providers.common.messaging"):
            return {"apache-airflow-providers-common-messaging"}
        if module.startswith("airflow.providers.openlineage"):
            return {"apache-airflow-providers-openlineage"}
        if module.partition(".")[0] == "airflow":
            return {"apache-airflow"}
        return by_package.get(module) or {normalized(module)}

    in_extras = {
        name for extra in ("cos", "emulator", "messaging", "openlineage") for name in declared_in(metadata, extra=extra)
    }
    needed = [sources(module) for module in imported]
    assert [names for names in needed if names.isdisjoint(declared | in_extras)] == []
    assert [name for name in declared | in_extras if not any(name in names for names in needed)] == []


def test_exactly_what_the_emulator_imports_is_declared(built_emulator: dict[str, Path]) -> None:
    imported = imported_by(EMULATOR / "tencent_batch_emulator")
    declared = declared_in(look_into(built_emulator[".whl"])[2])
    # Its plugin is for those who have pytest; uvicorn is told by name to parse with httptools.
    assert imported - OPTIONAL - {"pytest"} == declared - {"httptools"}


def test_no_dependency_has_an_upper_bound(built: dict[str, Path], built_emulator: dict[str, Path]) -> None:
    for wheel in (built[".whl"], built_emulator[".whl"]):
        needed = re.findall(r"^Requires-Dist: ([^;\n]*)", look_into(wheel)[2], re.MULTILINE)
        assert [one for one in needed if "<" in one or "~=" in one or "==" in one] == []


def test_a_published_readme_links_to_the_project(tmp_path: Path) -> None:
    address = "https://example.com/me/mine"
    environment = {**os.environ, "PROJECT_URL": f"{address}/"}
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, ROOT, env=environment)
    text = look_into(next(tmp_path.glob("*.whl")))[2]
    assert re.findall(r"\]\((?!https://|#)[^)]*\)", text) == []
    assert f"]({address}/blob/v{__version__}/docs/howto.md#" in text
    for label in ("Homepage", "Source", "Issues", "Changelog"):
        assert f"\nProject-URL: {label}, {address}" in text


def test_an_unpublished_build_invents_no_address(built: dict[str, Path]) -> None:
    text = look_into(built[".whl"])[2]
    assert re.findall(r"^Project-URL: ([^,]+)", text, re.MULTILINE) == ["Tencent Cloud Batch"]
    assert "](docs/howto.md#" in text


def normalized(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


class Installation:
    """An empty virtual environment with the wheel in it, and an Airflow home of its own."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "venv" / "bin"
        self.home = folder / "airflow"
        self.home.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        self.env |= {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "HOME": str(self.home),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")

    def install(self, *what: object) -> None:
        run(UV, "pip", "install", "--quiet", "--python", self.bin / "python", "-c", ROOT / CONSTRAINTS, *what)

    def run(self, command: str, *arguments: object) -> str:
        return run(self.bin / command, *arguments, env=self.env, cwd=self.home)


@pytest.fixture(scope="module")
def installed(
    built: dict[str, Path], built_emulator: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    installation = Installation(tmp_path_factory.mktemp("installed"))
    installation.install(built[".whl"], built_emulator[".whl"])
    return installation


@pytest.fixture(scope="module")
def bare(built_emulator: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment with the emulator and nothing else."""
    installation = Installation(tmp_path_factory.mktemp("bare"))
    installation.install(built_emulator[".whl"])
    return installation


@pytest.fixture
def cloud(installed: Installation) -> Iterator[dict[str, Any]]:
    """The emulator of the installed package; the default connection leads to it."""
    address_file = installed.home / "emulator.json"
    command = [str(installed.bin / "airflow-batch-events"), "emulate", "--address-file", str(address_file)]
    child = ChildProcess("emulator", command, env=installed.env, log=installed.home / "emulator.log")

    def address() -> dict[str, Any] | None:
        child.check_alive()
        return json.loads(address_file.read_text()) if address_file.exists() else None

    try:
        child.start()
        told = wait_until(address, failure=child.tail)
        endpoints = dict.fromkeys(("batch_endpoint", "tdmq_endpoint", "cmq_endpoint"), told["endpoint"])
        installed.env["AIRFLOW_CONN_TENCENTCLOUD_DEFAULT"] = json.dumps(
            {
                "conn_type": "tencentcloud",
                "login": told["secret_id"],
                "password": told["secret_key"],
                "extra": {"region": told["region"], **endpoints},
            }
        )
        yield told
    finally:
        stop_all([child], grace=5)


@pytest.mark.integration
def test_an_example_runs_in_a_bare_installation(installed: Installation, cloud: dict[str, Any]) -> None:
    shutil.copytree(ROOT / "dags", installed.home / "dags", dirs_exist_ok=True)
    installed.run("airflow", "db", "migrate")
    installed.run("airflow-batch-events", "provision")
    output = installed.run("airflow", "dags", "test", "batch_branch_on_result", "--conf", '{"command": "echo hello"}')
    assert re.search(r"DagRun Finished: dag_id=batch_branch_on_result.*state=success", output)
    providers = json.loads(installed.run("airflow", "providers", "list", "--output", "json"))
    assert "airflow-batch-events" in {provider["package_name"] for provider in providers}


@pytest.mark.integration
def test_the_command_line_is_installed(installed: Installation) -> None:
    text = installed.run("airflow-batch-events", "--help")
    for command in ("emulate", "provision", "doctor", "tail"):
        assert command in text


@pytest.mark.integration
def test_importing_the_package_costs_nothing(installed: Installation) -> None:
    code = "import sys; before = set(sys.modules); import airflow_batch_events; print(*(set(sys.modules) - before))"
    assert set(installed.run("python", "-c", code).split()) <= {"airflow_batch_events", "__future__"}


@pytest.mark.integration
def test_extras_are_optional(installed: Installation, built: dict[str, Path]) -> None:
    missing = json.loads(installed.run("python", "-c", IMPORT_ALL, "airflow_batch_events").splitlines()[-1])
    assert missing == {
        "airflow_batch_events.lineage.facets": "airflow.providers.openlineage",
        "airflow_batch_events.queues.cmq": "airflow.providers.common.messaging",
    }
    assert "Traceback" not in installed.run("airflow", "providers", "queues")

    installed.install(f"airflow-batch-events[messaging] @ {built['.whl'].as_uri()}")
    assert "CmqMessageQueueProvider" in installed.run("airflow", "providers", "queues")


@pytest.mark.integration
def test_the_emulator_works_where_nothing_else_is(bare: Installation) -> None:
    listed = json.loads(run(UV, "pip", "list", "--format", "json", "--python", bare.bin / "python"))
    assert not [one["name"] for one in listed if "airflow" in one["name"] or "tencentcloud" in one["name"]]
    # What is there for somebody's tests needs pytest, which is theirs.
    missing = json.loads(bare.run("python", "-c", IMPORT_ALL, "tencent_batch_emulator").splitlines()[-1])
    assert missing == {"tencent_batch_emulator.pytest_plugin": "pytest"}
    assert "--address-file" in bare.run("tencent-batch-emulator", "--help")


@pytest.mark.integration
def test_a_missing_emulator_is_named(
    bare: Installation, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone = Installation(tmp_path_factory.mktemp("alone"))
    alone.install(built[".whl"])
    for arguments in (("emulate",), ("emulate", "--port", "8700")):
        command = [str(alone.bin / "airflow-batch-events"), *arguments]
        done = run_to_end(command, env=alone.env, cwd=alone.home, timeout=LIMIT)
        assert done.returncode == 2
        assert "pip install 'airflow-batch-events[emulator]'" in done.stderr
