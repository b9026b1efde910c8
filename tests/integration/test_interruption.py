# SPDX-License-Identifier: Apache-2.0
"""A test run that is ended half-way leaves no process: no worker, emulator, PostgreSQL or component of Airflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.processes import processes_where, running

from devtools.waits import wait_until

# What a shell does with a command that it runs in the background.
IGNORE_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
)
MOMENTS = {
    "while the tables are made": "template0/airflow.cfg",
    "while the components start": "airflow0/components/triggerer.log",
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL can reach, too, which root starts as another user."""
    with tempfile.TemporaryDirectory(prefix="interrupted-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    ("moment", "number", "in_background"),
    [
        ("while the tables are made", signal.SIGTERM, False),
        ("while the components start", signal.SIGTERM, False),
        ("while the components start", signal.SIGINT, True),
        ("while the components start", signal.SIGKILL, False),
    ],
)
def test_a_run_that_is_ended_leaves_nothing(
    place: Path, moment: str, number: signal.Signals, in_background: bool
) -> None:
    base = place / "base"
    command = [sys.executable, "-m", "pytest", "-n", "1", f"--basetemp={base}", "-p", "no:cacheprovider"]
    command += ["tests/integration/test_stack.py", "-k", "deferred"]
    if in_background:
        command = [sys.executable, "-c", IGNORE_SIGINT, *command]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env["TMPDIR"] = str(place)
    output = place / "output.txt"

    def is_there() -> bool | None:
        assert run.poll() is None, output.read_text()
        return bool(list(base.glob(f"*/{MOMENTS[moment]}"))) or None

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
