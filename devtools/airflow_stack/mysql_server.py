# SPDX-License-Identifier: Apache-2.0
"""
A throw-away MySQL, or a MariaDB where there is no MySQL: on a Unix socket only, in a temporary folder.

The first of the programs ``mysqld`` and ``mariadbd`` that is found is started, or the one that the variable ``MYSQLD``
names. Airflow supports MySQL and not MariaDB, so a result counts for MySQL only where the server's own name says that
it is one.

``python -m devtools.airflow_stack.mysql_server`` makes sure that there is one to start, and what pip needs to build
``mysqlclient``, without which Airflow takes no MySQL. As root on Debian or Ubuntu it installs ``mariadb-server-core``:
the package ``mariadb-server`` would start a service that outlives the tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from devtools.airflow_stack.processes import ChildProcess, run_to_end
from devtools.airflow_stack.temporary_server import DatabaseServer, install_packages, unprivileged
from devtools.waits import LIMIT, wait_until

_PROGRAMS = ("mysqld", "mariadbd")
_PACKAGES = ("mariadb-server-core", "libmariadb-dev", "pkg-config", "gcc", "libc6-dev")
_HOW = (
    "MySQL and what its driver is built from are not installed, and cannot be installed here by this command, which "
    f"takes root and apt-get. Install them yourself, for example: sudo apt-get install {' '.join(_PACKAGES)}. "
    "MYSQLD=/path names the program of a server that lies elsewhere."
)

# Nothing in here outlives the process, so nothing has to survive a power cut. What Airflow's guide demands of a server
# is the default of each that it supports, and stands here for those that are older or a MariaDB.
_SETTINGS = (
    "--skip-networking",
    "--skip-grant-tables",
    "--skip-log-bin",
    "--max-connections=300",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--default-time-zone=+00:00",
    "--explicit-defaults-for-timestamp=1",
    "--max-allowed-packet=64M",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
)
_OF_MYSQL = ("--mysqlx=0", "--performance-schema=0", "--secure-file-priv=NULL")


class MysqlServer(DatabaseServer):
    """
    Run a MySQL server in a temporary folder, as a context manager.

    :param log: The file that the server's output is appended to.
    """

    def create_database(self, name: str, *, template: str | None = None) -> str:
        # From the dependency group 'mysql': not in every environment.
        import MySQLdb

        connection = MySQLdb.connect(unix_socket=str(self._socket), user="root", charset="utf8mb4")
        try:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE `{name}`")
            if template:
                # MySQL copies no databases.
                cursor.execute(f"USE `{name}`")
                cursor.execute("SET foreign_key_checks = 0")
                cursor.execute(f"SHOW TABLES FROM `{template}`")
                for (table,) in cursor.fetchall():
                    cursor.execute(f"SHOW CREATE TABLE `{template}`.`{table}`")
                    cursor.execute(cursor.fetchone()[1])
                    cursor.execute(f"INSERT INTO `{table}` SELECT * FROM `{template}`.`{table}`")  # noqa: S608
                connection.commit()
        finally:
            connection.close()
        return f"mysql+mysqldb://root@localhost/{name}?unix_socket={self._socket}&charset=utf8mb4"

    @property
    def _socket(self) -> Path:
        if self._folder is None:
            raise RuntimeError("MySQL does not run")
        return self._folder / "mysql.sock"

    def _start(self) -> None:
        program = installed()
        if program is None:
            raise RuntimeError(_HOW)
        folder = self._folder = Path(tempfile.mkdtemp(prefix="abe-mysql-"))
        data, user = folder / "data", unprivileged()
        data.mkdir()
        if user:
            for path in (folder, data):
                os.chown(path, *user)
        env = {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}
        command = [str(program), "--no-defaults", f"--datadir={data}"]
        # A MariaDB without its own tables works: nobody logs in, and the socket is ours.
        if not is_mariadb(program):
            begin = [*command, "--initialize-insecure"]
            made = run_to_end(begin, env=env, cwd=folder, timeout=LIMIT, user=user)
            if made.returncode:
                raise RuntimeError(f"MySQL could not make its tables in {data}:\n{made.stdout}{made.stderr}")
            command += _OF_MYSQL
        paths = [f"--socket={self._socket}", f"--pid-file={folder / 'mysql.pid'}"]
        self._server = ChildProcess(
            "mysql",
            [*command, *paths, *_SETTINGS],
            env=env,
            log=self._log,
            user=user,
            stop_signal=signal.SIGKILL,  # it would write what is thrown away
        )
        self._wait_until_ready(self._server.start())

    def _wait_until_ready(self, server: ChildProcess) -> None:
        def poll() -> bool | None:
            server.check_alive()
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._socket))
                return True
            return None

        wait_until(poll, failure=lambda: f"MySQL was not ready after {LIMIT:g} s. Its log:\n{server.tail()}")


def installed() -> Path | None:
    """Return the server's program, or None when there is none."""
    # The path of a user who is not root has no folder of servers.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    names = filter(None, [os.environ.get("MYSQLD"), *_PROGRAMS])
    found = filter(None, (shutil.which(name, path=path) for name in names))
    return next((Path(program) for program in found), None)


def version_of(program: Path) -> str:
    """Return what a program says that it is."""
    return run_to_end([str(program), "--version"], env=os.environ, cwd=Path("/"), timeout=LIMIT).stdout


def is_mariadb(program: Path) -> bool:
    """Say whether a program is a MariaDB, which may go by MySQL's name."""
    return "mariadb" in version_of(program).lower()


def install() -> None:
    """
    Install the program, and what the driver is built from, where they are missing and may be installed.

    :raises RuntimeError: They may not, or that has failed; the message says what to do.
    """
    install_packages(_PACKAGES, lambda: installed() and _can_build_driver(), _HOW)


def _can_build_driver() -> bool:
    if not shutil.which("pkg-config"):
        return False
    # What mysqlclient itself asks for, in this order.
    names = ("mysqlclient", "mariadb", "libmariadb", "perconaserverclient")
    asked = (["pkg-config", "--exists", name] for name in names)
    return any(run_to_end(one, env=os.environ, cwd=Path("/"), timeout=LIMIT).returncode == 0 for one in asked)


if __name__ == "__main__":
    try:
        install()
    except RuntimeError as error:
        sys.exit(str(error))
    print(f"MySQL's driver can be built here, and the server is {installed()}.")  # noqa: T201
