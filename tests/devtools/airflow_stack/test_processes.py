# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import has_ended, processes_in

from devtools.airflow_stack.processes import ChildProcess, ProcessDiedError, run_to_end, stop_all
from devtools.waits import LIMIT, wait_until

RunPython = Callable[[str], ChildProcess]

# A child that moves into a process group of its own, as Airflow's workers do.
WITH_WORKER = """
import os, subprocess, sys, time
code = "import os, time; os.setpgid(0, 0); print('worker', flush=True); time.sleep(3600)"
subprocess.Popen([sys.executable, "-c", code])
time.sleep(3600)
"""


@pytest.fixture
def run_python(tmp_path: Path) -> Iterator[RunPython]:
    started = []

    def run(code: str) -> ChildProcess:
        child = ChildProcess("part", [sys.executable, "-c", code], env=os.environ, log=tmp_path / "part.log")
        started.append(child)
        return child.start()

    yield run
    for child in started:
        child.kill()


def wait_for_log(child: ChildProcess, text: str) -> None:
    wait_until(lambda: text in child.tail() or None, failure=child.tail, interval=0.01)


def test_a_kill_ends_workers(run_python: RunPython) -> None:
    child = run_python(WITH_WORKER)
    wait_for_log(child, "worker")
    members = child.members()

    child.kill()

    assert len(members) == 2
    assert all(has_ended(process) for process in members)
    assert child.members() == []


def test_a_stop_ends_workers_that_outlive_the_child(run_python: RunPython) -> None:
    child = run_python(WITH_WORKER)
    wait_for_log(child, "worker")
    (worker,) = [process for process in child.members() if process.pid != child.pid]

    stop_all([child], grace=LIMIT)

    assert has_ended(worker)


def test_a_deaf_child_is_killed(run_python: RunPython) -> None:
    child = run_python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(900)"
    )
    wait_for_log(child, "deaf")

    stop_all([child], grace=0.2)

    assert not child.is_alive


def test_a_child_may_tidy_up(run_python: RunPython) -> None:
    child = run_python(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied up', flush=True), sys.exit(0)))\n"
        "print('ready', flush=True)\n"
        "time.sleep(3600)"
    )
    wait_for_log(child, "ready")

    stop_all([child], grace=LIMIT)

    assert "tidied up" in child.tail()


def test_a_dead_child_is_reported(run_python: RunPython) -> None:
    child = run_python("print('port is taken'); raise SystemExit(3)")
    wait_until(lambda: not child.is_alive or None, failure=child.tail, interval=0.01)

    with pytest.raises(ProcessDiedError, match=r"part ended with exit status 3[\s\S]*port is taken"):
        child.check_alive()


def test_a_killed_child_is_reported(run_python: RunPython) -> None:
    child = run_python("import time; time.sleep(3600)")
    child.kill()

    with pytest.raises(ProcessDiedError, match="part was ended by SIGKILL"):
        child.check_alive()


def test_an_interrupted_start_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    child = ChildProcess("part", [sys.executable, "-c", WITH_WORKER], env=os.environ, log=tmp_path / "part.log")
    # It is ignored by what a shell runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            child.start()
    finally:
        signal.signal(signal.SIGINT, before)

    assert child.is_alive
    stop_all([child], grace=0)
    assert child.members() == []


def test_a_child_that_was_never_started(tmp_path: Path) -> None:
    child = ChildProcess("part", [sys.executable], env=os.environ, log=tmp_path / "part.log")

    stop_all([child], grace=LIMIT)

    assert not child.is_alive
    with pytest.raises(RuntimeError, match="part has not been started"):
        child.check_alive()


def test_a_command_is_run_to_its_end(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print('broken', file=sys.stderr); raise SystemExit(3)"

    done = run_to_end([sys.executable, "-c", code], env=os.environ, cwd=tmp_path, timeout=LIMIT)

    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path}\n", "broken\n")


def test_a_slow_command_is_killed_with_its_workers(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_to_end([sys.executable, "-c", WITH_WORKER], env=os.environ, cwd=tmp_path, timeout=0.5)

    assert processes_in(tmp_path) == []
