# SPDX-License-Identifier: Apache-2.0
"""
Processes that a test starts: none outlives the test, and none can make it hang.

Whatever ends the test (a failed assertion, Ctrl-C, a kill) ends the process and what that one has started. A process
that hangs is killed after a bound: a test that reads its output then gets an end of file instead of waiting on.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

import psutil

from devtools.airflow_stack.processes import signals_held_back
from devtools.airflow_stack.session_guard import guard, kill_sessions
from devtools.waits import LIMIT

Output: TypeAlias = "int | IO[bytes]"


@contextmanager
def running(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdout: Output = subprocess.PIPE,
    stderr: Output = subprocess.PIPE,
    limit: float = LIMIT,
) -> Iterator[subprocess.Popen[str]]:
    """
    Run a command, in a session of its own, as long as the context lasts.

    :param env: Its environment; ours by default.
    :param limit: Seconds after which it is killed.
    """
    with signals_held_back():
        process = subprocess.Popen(
            list(command), env=env, stdout=stdout, stderr=stderr, text=True, start_new_session=True
        )
        guard.watch(process.pid)
    bound = threading.Timer(limit, kill_sessions, [[process.pid]])
    bound.daemon = True
    bound.start()
    try:
        yield process
    finally:
        bound.cancel()
        kill_sessions([process.pid])
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
        guard.release(process.pid)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended; one whose parent has not asked for its status yet stays listed."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def processes_in(folder: Path) -> list[str]:
    """List the processes that work below a folder, as every component, every worker and every job of ours does."""
    return processes_where(lambda process: folder in (Path(process.cwd()), *Path(process.cwd()).parents))


def processes_where(holds: Callable[[psutil.Process], bool]) -> list[str]:
    """List the processes for which something holds, each as its id and its command line."""
    found = []
    for process in psutil.process_iter():
        # A process that ends meanwhile, or that belongs to another user, is none of ours.
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and holds(process):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
    return found
