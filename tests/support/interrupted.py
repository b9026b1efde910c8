# SPDX-License-Identifier: Apache-2.0
"""Start a test run, end it half-way, and look for what it has left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from support.processes import processes_where, running

from devtools.waits import wait_until

# What a shell does with a command that it runs in the background.
IGNORE_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
)


def leaves_nothing(arguments: list[str], moment: str, number: signal.Signals, *, in_background: bool = False) -> None:
    """
    Run tests, end the run at a moment, and fail when one of its processes goes on.

    :param arguments: What to run, for pytest.
    :param moment: A file or folder that has come to be then, as a pattern below the run's temporary folder.
    :param number: What ends it.
    :param in_background: Whether it is run as a shell runs what is in the background.
    """
    # PostgreSQL, which root starts as another user, has to reach it.
    with tempfile.TemporaryDirectory(prefix="interrupted-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        base = place / "base"
        command = [sys.executable, "-m", "pytest", f"--basetemp={base}", "-p", "no:cacheprovider", *arguments]
        if in_background:
            command = [sys.executable, "-c", IGNORE_SIGINT, *command]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        env["TMPDIR"] = str(place)
        output = place / "output.txt"

        def is_there() -> bool | None:
            assert run.poll() is None, output.read_text()
            return bool(list(base.glob(moment))) or None

        def left() -> list[str]:
            return processes_where(lambda process: belongs_to(process, place))

        with output.open("wb") as file, running(command, env=env, stdout=file, stderr=subprocess.STDOUT) as run:
            wait_until(is_there, failure=output.read_text)
            assert len(left()) > 3

            run.send_signal(number)

            assert run.wait() != 0
            wait_until(lambda: not left() or None, failure=lambda: f"left: {left()}\n{output.read_text()}")


def belongs_to(process: psutil.Process, folder: Path) -> bool:
    """Whether a process works below a folder, as all that is started does, or was started with it as its mark."""
    place = Path(process.cwd())
    return folder in (place, *place.parents) or process.environ().get("TMPDIR") == str(folder)
