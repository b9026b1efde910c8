# SPDX-License-Identifier: Apache-2.0
"""
One database server, one emulator and one Airflow for all integration tests of a session.

Starting Airflow takes longer than most tests; so tests share it, name their runs apart, and put back what they kill.
The database is PostgreSQL, or MySQL with ``DATABASE=mysql``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import Browser, open_browser
from support.component_logs import pytest_runtest_makereport as pytest_runtest_makereport
from support.statsd import StatsdServer

from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.databases import database_server
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.temporary_server import DatabaseServer
from devtools.emulator_process import CONN_ID, CloudAddress, EmulatorProcess
from devtools.waits import wait_until

HERE = Path(__file__).parent
DAGS = {"examples": HERE.parents[1] / "dags", "tests": HERE / "dags"}
CONNECTIONS = {"fs_default": {"conn_type": "fs", "extra": {"path": "/"}}}
# A triggerer is believed dead after half a minute of silence; the tests that kill one need not wait so long.
SETTINGS = {
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
}

# Tests of a group share one Airflow and run in one process, one after the other. They mostly wait, so there are two
# such groups, of about the same length. The demo brings its own Airflow, and so do tests of one with other settings.
GROUPS = {
    "test_demo.py": "demo",
    "test_commands.py": "second airflow",
    "test_endings.py": "second airflow",
    "test_exactly_once.py": "second airflow",
    "test_main_job.py": "second airflow",
    "test_observed.py": "demo",
    "test_watchers.py": "second airflow",
}

MakeStack = Callable[..., AirflowStack]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
            item.add_marker(pytest.mark.xdist_group(GROUPS.get(item.path.name, "airflow")))


def wait_until_begun(airflow: AirflowApi, dag_id: str, run_id: str, task_id: str) -> None:
    """Wait until a triggerer has begun with the trigger of a deferred task, which Airflow writes to the task's log."""

    def poll() -> bool | None:
        return ") starting" in airflow.log(dag_id, run_id, task_id) or None

    wait_until(poll, failure=lambda: f"not begun:\n{airflow.log(dag_id, run_id, task_id)}")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    """A running emulator of its own process: where it is, and its key."""
    with EmulatorProcess(tmp_path_factory.mktemp("emulator")) as address:
        yield address


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    with database_server(tmp_path_factory.mktemp("database") / "server.log") as server:
        yield server


@pytest.fixture(scope="session")
def make_stack(databases: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> MakeStack:
    """
    Make a stack that has not been started, on a database of its own.

    Takes what :class:`AirflowStack` takes by name. The tables are made once a session and then copied.
    """
    template = AirflowStack(
        tmp_path_factory.mktemp("template"), dags={}, database=databases.create_database("airflow_template")
    )
    template.migrate()
    template.stop()
    numbers = iter(range(1, 100))

    def make(**settings: Any) -> AirflowStack:
        number = next(numbers)
        settings["connections"] = CONNECTIONS | settings.get("connections", {})
        settings["env"] = SETTINGS | settings.get("env", {})
        return AirflowStack(
            tmp_path_factory.mktemp("airflow"),
            **{"dags": DAGS, **settings},
            database=databases.create_database(f"airflow_{number}", template="airflow_template"),
        )

    return make


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsdServer]:
    """Where all components of ``stack`` send their metrics."""
    with StatsdServer() as server:
        yield server


@pytest.fixture(scope="session")
def stack(make_stack: MakeStack, emulator: CloudAddress, statsd: StatsdServer) -> Iterator[AirflowStack]:
    """A running Airflow whose default connection leads to ``emulator``."""
    with make_stack(connections={CONN_ID: emulator.connection()}, env=statsd.settings) as running:
        yield running


@pytest.fixture
def airflow(stack: AirflowStack) -> AirflowApi:
    """The REST API of ``stack``, after a check that all its components run."""
    stack.check_alive()
    return stack.api


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(tmp_path / "browser") as running:
        yield running
