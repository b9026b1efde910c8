# SPDX-License-Identifier: Apache-2.0
"""
A throw-away Redis for Celery: on the loopback, on a free port, behind a password, and nothing of it is written to disk.

``python -m devtools.airflow_stack.redis_server`` makes sure that there is one to start. As root on Debian or Ubuntu it
installs ``redis-tools``: the package ``redis-server`` would start a service that outlives the tests, and its program is
only a link to one of ``redis-tools``, which acts by the name that it is called by.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from devtools.airflow_stack.processes import ChildProcess
from devtools.airflow_stack.stack import HOST, free_port
from devtools.airflow_stack.temporary_server import TemporaryServer, install_packages
from devtools.waits import LIMIT, wait_until

_PROGRAMS = ("redis-server", "redis-check-rdb")
_HOW = (
    "Redis is not installed, and cannot be installed here by this command, which takes root and apt-get. Install it "
    "yourself, for example: sudo apt-get install redis-server, sudo dnf install redis, brew install redis."
)


class RedisServer(TemporaryServer):
    """
    Run a Redis, as a context manager that yields its URL.

    :param log: The file that the server's output is appended to.
    """

    def __enter__(self) -> str:
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> str:
        program = installed()
        if program is None:
            raise RuntimeError(_HOW)
        folder = self._folder = Path(tempfile.mkdtemp(prefix="abe-redis-"))
        called = folder / _PROGRAMS[0]
        called.symlink_to(program)
        port, password = free_port(), secrets.token_urlsafe(24)
        # In a file that only we can read: every user of the machine sees command lines.
        settings = folder / "redis.conf"
        lines = [f"bind {HOST}", f"port {port}", f"requirepass {password}", f"dir {self._log.parent}"]
        settings.write_text("\n".join([*lines, 'save ""', "appendonly no", ""]))
        self._server = ChildProcess(
            "redis", [str(called), str(settings)], env={"PATH": os.environ.get("PATH", os.defpath)}, log=self._log
        )
        self._wait_until_ready(self._server.start(), port)
        return f"redis://:{password}@{HOST}:{port}/0"

    @staticmethod
    def _wait_until_ready(server: ChildProcess, port: int) -> None:
        def poll() -> bool | None:
            server.check_alive()
            with suppress(ConnectionRefusedError), socket.create_connection((HOST, port)):
                return True
            return None

        wait_until(poll, failure=lambda: f"Redis was not ready after {LIMIT:g} s. Its log:\n{server.tail()}")


def installed() -> Path | None:
    """Return the program, or None when there is none."""
    found = filter(None, map(shutil.which, _PROGRAMS))
    return next((Path(path) for path in found), None)


def install() -> None:
    """
    Install the program where it is missing and may be installed.

    :raises RuntimeError: It may not, or that has failed; the message says what to do.
    """
    install_packages(["redis-tools"], installed, _HOW)


if __name__ == "__main__":
    try:
        install()
    except RuntimeError as error:
        sys.exit(str(error))
