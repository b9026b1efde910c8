# SPDX-License-Identifier: Apache-2.0
"""
End the sessions that a process has started when that process ends, however it ends.

A process that is killed runs no handler, and what it has started goes on running. So a second process watches the first
one: the two share a pipe, the first one writes the sessions it starts and ends, and when the pipe closes, the guard
kills those that are left. The guard is in its own session and ignores the signals that end the process it watches.

This file is also the guard's program. It is run by its path in an isolated interpreter, so it imports nothing of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

_KILL_LIMIT = 20
_POLL_INTERVAL = 0.05


class SessionGuard:
    """The guard of this process; it is started with the first session, and ends with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: set[int] = set()
        self._program: subprocess.Popen[bytes] | None = None

    def watch(self, session: int) -> None:
        """Let the guard end a session if this process ends before :meth:`release`."""
        with self._lock:
            self._sessions.add(session)
            self._tell(f"+{session}")

    def release(self, session: int) -> None:
        """Forget a session, which is empty."""
        with self._lock:
            self._sessions.discard(session)
            self._tell(f"-{session}")

    def forget(self) -> None:
        """Leave the guard to the parent, in a child that was forked: it would hold the pipe open."""
        if self._program is not None and self._program.stdin is not None:
            self._program.stdin.close()
        self._lock, self._sessions, self._program = threading.Lock(), set(), None

    def _tell(self, line: str) -> None:
        if self._program is None or self._program.poll() is not None:
            self._program = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-I", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            # A guard that was killed is replaced, and has to hear of all.
            line = "\n".join(f"+{session}" for session in self._sessions) or line
        with suppress(BrokenPipeError):
            os.write(self._program.stdin.fileno(), f"{line}\n".encode())  # type: ignore[union-attr]


guard = SessionGuard()
os.register_at_fork(after_in_child=guard.forget)


def members_of(sessions: Iterable[int]) -> list[psutil.Process]:
    """List the running processes of some sessions."""
    wanted = set(sessions)
    found = []
    for process in psutil.process_iter():
        # A process that ends meanwhile is not a member any more.
        with suppress(OSError, psutil.Error):
            if os.getsid(process.pid) in wanted and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_sessions(sessions: Iterable[int]) -> list[psutil.Process]:
    """Kill all processes of some sessions, and return those that the kernel does not end."""
    wanted = set(sessions)
    deadline = time.monotonic() + _KILL_LIMIT
    while members := members_of(wanted):
        if time.monotonic() > deadline:
            return members
        for process in members:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_POLL_INTERVAL)
    return []


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
    kill_sessions(sessions)


if __name__ == "__main__":
    _main()
