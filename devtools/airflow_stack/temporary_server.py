# SPDX-License-Identifier: Apache-2.0
"""A server that runs in a temporary folder, and what is left of it when it stops: nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType

from devtools.airflow_stack.processes import ChildProcess, stop_all

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
