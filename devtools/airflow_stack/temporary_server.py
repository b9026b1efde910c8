# SPDX-License-Identifier: Apache-2.0
"""A server that runs in a temporary folder, and what is left of it when it stops: nothing."""

from __future__ import annotations

import os
import pwd
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from devtools.airflow_stack.processes import ChildProcess, run_to_end, stop_all
from devtools.waits import LIMIT

_STOP_GRACE = 5


class TemporaryServer:
    """
    The end of a server; a subclass makes the folder and starts the process.

    :param log: The file that the server's output is appended to.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._folder: Path | None = None
        self._server: ChildProcess | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the server and remove everything it stored; harmless when it does not run."""
        try:
            if self._server:
                stop_all([self._server], grace=_STOP_GRACE)
        finally:
            self._server = None
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None


class DatabaseServer(TemporaryServer, ABC):
    """A server that an Airflow can store its data in."""

    def __enter__(self) -> DatabaseServer:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    @abstractmethod
    def create_database(self, name: str, *, template: str | None = None) -> str:
        """
        Create a database.

        :param name: A plain identifier.
        :param template: The database that it becomes a copy of; nobody may be connected to that one.
        :return: Its URL, as SQLAlchemy wants it.
        """

    @abstractmethod
    def _start(self) -> None:
        """Start the server, and return when it answers."""


def unprivileged() -> tuple[int, int] | None:
    """Return the user and group to run as instead of root, which database servers refuse; None for any other user."""
    if os.geteuid():
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def install_packages(packages: Sequence[str], is_there: Callable[[], object], how: str) -> None:
    """
    Install packages of Debian or Ubuntu where what they bring is missing, and may be installed.

    :param packages: Such that start no service: it would outlive the tests.
    :param is_there: Says whether what they bring is there.
    :param how: What a user can do where it may not.
    :raises RuntimeError: It may not, or that has failed; the message says what to do.
    """
    if is_there():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise RuntimeError(how)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    told = ""
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = run_to_end(["apt-get", *command], env=env, cwd=Path("/"), timeout=LIMIT)
        told += f"$ apt-get {' '.join(command)}\n{done.stdout}{done.stderr}"
    if not is_there():
        raise RuntimeError(f"{' '.join(packages)} could not be installed. {how}\n{told}")
