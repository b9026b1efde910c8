# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from support.processes import has_ended, processes_in, running

from devtools.waits import wait_until

# Kills its guard, and starts another child.
REPLACER = """
import os, psutil, sys, time
from pathlib import Path
from devtools.airflow_stack.processes import ChildProcess
place = Path(sys.argv[1])
for name in ("one", "two"):
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    ChildProcess(name, command, env=os.environ, log=place / name).start()
    if name == "one":
        # A process that has only just been started may have no command line yet.
        while not (guards := [one for one in psutil.Process().children() if "session_guard" in str(one.cmdline())]):
            time.sleep(0.01)
        guards[0].kill()
        guards[0].wait()
time.sleep(600)
"""

ROOT = Path(__file__).parents[3]

# Starts a child, which starts a worker in a process group of its own, and tells when both run.
STARTER = """
import os, sys, time
from pathlib import Path
from devtools.airflow_stack.processes import ChildProcess, run_to_end
code = '''
import os, subprocess, sys, time
worker = "import os, time; os.setpgid(0, 0); print('worker', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", worker])
time.sleep(600)
'''
place = Path(sys.argv[1])
command = [sys.executable, "-c", code]
if sys.argv[2] == "child":
    ChildProcess("part", command, env=os.environ, log=place / "part.log").start()
    time.sleep(600)
else:
    run_to_end(command, env=os.environ, cwd=place, timeout=600)
"""


@pytest.fixture
def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("started", ["child", "command"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_nothing(
    tmp_path: Path, env: dict[str, str], number: signal.Signals, started: str
) -> None:
    with running([sys.executable, "-c", STARTER, str(tmp_path), started], env=env) as starter:
        wait_until(lambda: len(processes_in(tmp_path)) == 2 or None, failure=lambda: str(processes_in(tmp_path)))
        (guard,) = [one for one in psutil.Process(starter.pid).children() if "session_guard" in " ".join(one.cmdline())]
        starter.send_signal(number)
        starter.wait()
        wait_until(lambda: not processes_in(tmp_path) or None, failure=lambda: f"left: {processes_in(tmp_path)}")
        wait_until(lambda: has_ended(guard) or None, failure=lambda: "the guard has not ended")


def test_the_guard_ignores_signals(tmp_path: Path, env: dict[str, str]) -> None:
    with running([sys.executable, "-c", STARTER, str(tmp_path), "child"], env=env) as starter:
        wait_until(lambda: len(processes_in(tmp_path)) == 2 or None, failure=lambda: str(processes_in(tmp_path)))
        (guard,) = [one for one in psutil.Process(starter.pid).children() if "session_guard" in " ".join(one.cmdline())]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            guard.send_signal(number)
        os.killpg(starter.pid, signal.SIGKILL)
        wait_until(lambda: not processes_in(tmp_path) or None, failure=lambda: f"left: {processes_in(tmp_path)}")


def test_a_killed_guard_is_replaced(tmp_path: Path, env: dict[str, str]) -> None:
    with running([sys.executable, "-c", REPLACER, str(tmp_path)], env=env) as starter:
        wait_until(lambda: len(processes_in(tmp_path)) == 2 or None, failure=lambda: str(processes_in(tmp_path)))
        starter.kill()
        wait_until(lambda: not processes_in(tmp_path) or None, failure=lambda: f"left: {processes_in(tmp_path)}")
