# SPDX-License-Identifier: Apache-2.0
"""
A real Airflow on this machine, its components as child processes.

Two rules must not be relaxed. Everybody who reaches it is an administrator, so it listens on the loopback only and
refuses what a foreign web page can make a browser send there (``plugins/loopback_only.py``); and whatever happens
between start and stop, nothing that was started stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.plugins.component_host import VARIABLE as COMPONENT_VARIABLE
from devtools.airflow_stack.processes import ChildProcess, run_to_end, stop_all
from devtools.airflow_stack.topology import LOCAL, SCHEDULER, Topology, kind_of
from devtools.waits import LIMIT, wait_until

HOST = "127.0.0.1"
_PLUGINS = Path(__file__).parent / "plugins"
# A triggerer notices only after ten seconds that its runner has ended; it is killed without harm.
_STOP_GRACE = 4
_POLL_INTERVAL = 0.1

# Variables that would make two stacks, or a stack and the user's own Airflow, the same.
_FOREIGN = re.compile(r"AIRFLOW(_HOME$|_CONFIG$|_CONN_|_VAR_|__)")


class AirflowStack:
    """
    Start Airflow, as a context manager.

    A component is named by its command, and further ones of a kind by a number: ``triggerer``, ``triggerer-2``.

    :param home: An empty folder for AIRFLOW_HOME, logs included; it must outlive the stack.
    :param dags: The folders with DAG files, by bundle name.
    :param database: The URL of an empty or migrated database; an SQLite file under ``home`` when it is None.
    :param connections: Airflow connections by id, in the form of the environment: a dict is written as JSON.
    :param env: Further variables, settings (``AIRFLOW__SECTION__KEY``) for instance; they win over ours.
    :param parallelism: How many tasks run at a time.
    :param topology: Which components there are.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Mapping[str, Path],
        database: str | None = None,
        connections: Mapping[str, str | Mapping[str, object]] | None = None,
        env: Mapping[str, str] | None = None,
        parallelism: int = 4,
        topology: Topology = LOCAL,
    ) -> None:
        self.topology = topology
        self.home = home
        self.port = free_port()
        self.database = database or f"sqlite:///{home / 'airflow.db'}"
        self.api = AirflowApi(f"http://{HOST}:{self.port}")
        self.env = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        self.env |= _settings(home, self.database, self.port, dags, parallelism) | dict(topology.settings)
        for conn_id, connection in (connections or {}).items():
            self.env[f"AIRFLOW_CONN_{conn_id.upper()}"] = (
                connection if isinstance(connection, str) else json.dumps(connection)
            )
        self.env |= env or {}
        self._components: dict[str, ChildProcess] = {}

    @property
    def address(self) -> str:
        """Where the UI and the API are."""
        return self.api.address

    def __enter__(self) -> AirflowStack:
        try:
            self.migrate()
            self.start(*self.topology.components)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self, *arguments: str, timeout: float = LIMIT, check: bool = True) -> subprocess.CompletedProcess[str]:
        """
        Run an ``airflow`` command in the stack's environment and return its output.

        :param arguments: For example ``"dags", "test", "my_dag"``.
        :param timeout: Seconds.
        :param check: Whether a failure of the command is an error.
        """
        done = run_to_end(_airflow(*arguments), env=self.env, cwd=self.home, timeout=timeout)
        if check and done.returncode:
            told = f"{done.stdout}{done.stderr}"
            raise RuntimeError(f"airflow {' '.join(arguments)} ended with exit status {done.returncode}:\n{told}")
        return done

    def migrate(self) -> None:
        """Make the tables, where they are missing."""
        self.run("db", "migrate")

    def start(self, *names: str, env: Mapping[str, str] | None = None) -> None:
        """
        Start components, and return when all of them work.

        :param names: For example ``"triggerer"``, or ``"triggerer-2"`` for a second one.
        :param env: Further variables for these only.
        :raises ProcessDiedError: One ended; the message carries the end of its log, and none of them is left.
        :raises TimeoutError: One does not get ready; none of them is left.
        """
        for name in names:
            if known := self._components.get(name):
                raise ValueError(f"{name} was started already (pid {known.pid}); another one is {kind_of(name)}-N")
        began = datetime.now(timezone.utc)
        lengths = {name: len(self._logged(name)) for name in names}
        try:
            for name in names:
                command = [word.format(name=name) for word in self.topology.role(name).command]
                self._components[name] = ChildProcess(
                    name,
                    _airflow(*command),
                    env={**self.env, COMPONENT_VARIABLE: name, **(env or {})},
                    log=self.log(name),
                )
                self._components[name].start()
            self._wait_until_ready(names, began, lengths)
        except BaseException:
            for name in names:
                if started := self._components.pop(name, None):
                    started.kill()
            raise

    def component(self, name: str) -> ChildProcess:
        """Return a component that was started."""
        return self._components[name]

    def components(self) -> list[ChildProcess]:
        """Return all components that were started and not stopped."""
        return list(self._components.values())

    def log(self, name: str) -> Path:
        """Return where a component writes its log."""
        return self.home / "components" / f"{name}.log"

    def kill(self, name: str) -> None:
        """End a component and all that it has started with SIGKILL."""
        self._components.pop(name).kill()

    def stop(self, *names: str, grace: float = _STOP_GRACE) -> None:
        """
        Stop components, all of them by default: ask, wait, kill what is left.

        :param grace: Seconds that they have for it together.
        """
        chosen = names or tuple(self._components)
        try:
            stop_all([self._components[name] for name in chosen], grace=grace)
        finally:
            for name in chosen:
                del self._components[name]
            if not names:
                self.api.close()

    def wait_until_deferred(
        self, dag_id: str, run_id: str, task_id: str, *, count: int = 1, timeout: float = LIMIT
    ) -> None:
        """
        Wait until so many instances of a task are deferred, and the scheduler has seen the workers that did so end.

        The second half matters to a caller that lets the triggers fire next: Airflow 3.3 fails a task that is queued
        again before it has seen that (it logs "finished with state success, but the task instance's state attribute is
        queued").

        :param timeout: Seconds.
        """
        self.api.wait_for_states(dag_id, run_id, task_id, {"deferred"}, count=count, timeout=timeout)
        key = f"TaskInstanceKey(dag_id={dag_id!r}, task_id={task_id!r}, run_id={run_id!r},"
        seen = f"Received executor event with state success for task instance {key}"

        def poll() -> bool | None:
            return self.log(SCHEDULER).read_text(errors="replace").count(seen) >= count or None

        wait_until(poll, timeout=timeout, failure=lambda: f"The workers of {task_id!r} have not ended in {timeout:g} s")

    def check_alive(self) -> None:
        """
        Do nothing while all components run.

        :raises ProcessDiedError: One has ended; the message carries the end of its log.
        """
        for component in self._components.values():
            component.check_alive()

    def _logged(self, name: str) -> str:
        log = self.log(name)
        return log.read_text(errors="replace") if log.exists() else ""

    def _wait_until_ready(self, names: Iterable[str], began: datetime, lengths: Mapping[str, int]) -> None:
        missing = {name: self._readiness(name, names, began, lengths[name]) for name in names}
        deadline = time.monotonic() + LIMIT
        while True:
            self.check_alive()
            missing = {name: is_ready for name, is_ready in missing.items() if not is_ready()}
            if not missing:
                return
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}:\n{self._components[name].tail()}" for name in missing)
                raise TimeoutError(f"After {LIMIT:g} s these are not ready: {', '.join(missing)}. Logs:\n{logs}")
            time.sleep(_POLL_INTERVAL)

    def _readiness(self, name: str, names: Iterable[str], began: datetime, logged: int) -> Callable[[], bool]:
        role = self.topology.role(name)
        if role.ready is not None:
            line = role.ready.format(name=name)
            return lambda: line in self._logged(name)[logged:]
        if role.job_type is None:
            return lambda: (self.api.health() or {}).get("metadatabase") == "healthy"
        # The health page would go on calling a component healthy for a while after its predecessor was killed.
        job_type, wanted = role.job_type, sum(kind_of(other) == kind_of(name) for other in names)
        return lambda: bool(self.api.health()) and self.api.started_components(job_type, began) >= wanted


def _settings(home: Path, database: str, port: int, dags: Mapping[str, Path], parallelism: int) -> dict[str, str]:
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder.resolve())},
        }
        for name, folder in dags.items()
    ]
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_PLUGINS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://{HOST}:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": HOST,
        # The scheduler's default pause of a second is for large installations.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
        # The supervisor of a task often sees only at its next heartbeat that it has ended; its slot is taken till then.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # On a busy machine the first request of a task took 48 s, and a task that gets no answer within Airflow's five
        # seconds, five times, fails; so does a DAG file that is not read within 30 s.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "300",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "300",
        # Calls to this machine must not go through a proxy that is set for the outside world.
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "PYTHONUNBUFFERED": "1",
    }


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
