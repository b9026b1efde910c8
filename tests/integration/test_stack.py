# SPDX-License-Identifier: Apache-2.0
"""The Airflow that the other integration tests rely on: it works, it survives a kill, it leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from support.processes import processes_in, running

from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.processes import ProcessDiedError
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import LOCAL, TRIGGERER
from devtools.waits import LIMIT, wait_until

DAG = "wait_for_files"
FILES = 10


def start_waiting(stack: AirflowStack, folder: Path) -> str:
    """Start a run whose tasks wait for files, and return its name when all of them are deferred."""
    stack.api.unpause(DAG)
    run_id = stack.api.trigger(DAG, {"folder": str(folder), "files": FILES})
    stack.wait_until_deferred(DAG, run_id, "wait", count=FILES)
    return run_id


def make_files(folder: Path) -> None:
    for number in range(FILES):
        (folder / str(number)).touch()


def test_a_deferred_task_runs_to_its_end(stack: AirflowStack, airflow: AirflowApi, tmp_path: Path) -> None:
    run_id = start_waiting(stack, tmp_path)
    make_files(tmp_path)

    assert airflow.wait_for_run(DAG, run_id) == "success"
    assert airflow.xcom(DAG, run_id, "gather") == "all there"
    assert f"{tmp_path}/3" in airflow.log(DAG, run_id, "wait", map_index=3)


def test_a_failed_wait_runs_again_when_cleared(stack: AirflowStack, airflow: AirflowApi, tmp_path: Path) -> None:
    run_id = start_waiting(stack, tmp_path)
    airflow.mark(DAG, run_id, "wait", "failed", map_index=0)
    make_files(tmp_path)

    assert airflow.wait_for_run(DAG, run_id) == "failed"
    assert airflow.states(DAG, run_id)["gather"] == "upstream_failed"
    assert f"{tmp_path}/0" in airflow.explain_last_run().partition("wait[0]:\n")[2]

    airflow.clear(DAG, run_id, "wait", "gather")

    assert airflow.wait_for_run(DAG, run_id) == "success"


def test_an_open_run_is_reported_with_its_tasks(stack: AirflowStack, airflow: AirflowApi, tmp_path: Path) -> None:
    run_id = start_waiting(stack, tmp_path)

    with pytest.raises(TimeoutError, match=r"has not ended within 0\.1 s: .*wait\[0\] deferred"):
        airflow.wait_for_run(DAG, run_id, timeout=0.1)

    make_files(tmp_path)
    assert airflow.wait_for_run(DAG, run_id) == "success"


def test_a_dag_that_is_nowhere_is_reported_by_name(airflow: AirflowApi) -> None:
    with pytest.raises(TimeoutError, match="'no_such_dag' has not been found"):
        airflow.wait_for_dag("no_such_dag", timeout=0.1)


def test_components_are_healthy_and_local(stack: AirflowStack) -> None:
    health = stack.api.health()

    assert health == dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    members = [process for component in stack.components() for process in component.members()]
    assert {address for process in members for address in listens_on(process)} == {"127.0.0.1"}


def listens_on(process: psutil.Process) -> set[str]:
    # Airflow's components start processes for a moment and end them.
    try:
        connections = process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return set()
    return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize("path", ["/", "/auth/token", "/api/v2/connections", "/execution/docs", "/monitor/health"])
def test_a_foreign_page_is_refused_on_every_route(stack: AirflowStack, path: str) -> None:
    for headers in ({"Host": "evil.example:8080"}, {"Origin": "http://evil.example"}):
        assert httpx.get(f"{stack.address}{path}", headers=headers, trust_env=False, timeout=LIMIT).status_code == 403


def test_waits_survive_a_killed_triggerer(stack: AirflowStack, airflow: AirflowApi, tmp_path: Path) -> None:
    run_id = start_waiting(stack, tmp_path)
    stack.kill(TRIGGERER)
    make_files(tmp_path)
    stack.start(TRIGGERER)

    assert airflow.wait_for_run(DAG, run_id) == "success"


def test_a_second_triggerer_takes_over(stack: AirflowStack, airflow: AirflowApi, tmp_path: Path) -> None:
    run_id = start_waiting(stack, tmp_path)
    stack.start("triggerer-2")
    try:
        stack.kill(TRIGGERER)
        make_files(tmp_path)

        assert airflow.wait_for_run(DAG, run_id) == "success"
    finally:
        stack.start(TRIGGERER)
        stack.stop("triggerer-2")


def test_a_component_that_cannot_start_says_why(stack: AirflowStack) -> None:
    with pytest.raises(ProcessDiedError, match=r"triggerer-3 ended with exit status 1[\s\S]*no_number"):
        stack.start("triggerer-3", env={"AIRFLOW__TRIGGERER__CAPACITY": "no_number"})


def test_an_unknown_component_is_refused_by_name(stack: AirflowStack) -> None:
    with pytest.raises(ValueError, match="'worker' is no component of this Airflow"):
        stack.start("worker")


def test_a_stop_leaves_nothing(make_stack: Callable[..., AirflowStack]) -> None:
    with make_stack() as stack:
        assert len(processes_in(stack.home)) >= len(LOCAL.components)

    assert processes_in(stack.home) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.address, trust_env=False)
    assert urlsplit(stack.address).hostname == "127.0.0.1"


def test_a_failed_start_leaves_nothing(make_stack: Callable[..., AirflowStack]) -> None:
    stack = make_stack(env={"AIRFLOW__TRIGGERER__CAPACITY": "no_number"})

    with pytest.raises(ProcessDiedError, match="triggerer ended"), stack:
        pass

    assert processes_in(stack.home) == []


def test_an_interrupted_start_leaves_nothing(tmp_path: Path) -> None:
    # A shell lets what runs in the background ignore SIGINT, and what that starts inherits it.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from pathlib import Path; from devtools.airflow_stack.stack import AirflowStack\n"
        "with AirflowStack(Path(sys.argv[1]), dags={}): pass"
    )
    with running([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.DEVNULL) as starter:
        scheduler_log = tmp_path / "components" / "scheduler.log"
        wait_until(lambda: scheduler_log.exists() or None, failure=lambda: "the scheduler does not start")

        starter.send_signal(signal.SIGINT)

        assert starter.wait() != 0
    assert processes_in(tmp_path) == []
