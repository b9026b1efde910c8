# SPDX-License-Identifier: Apache-2.0
"""
The program between the emulator and a job's command: it runs the command, and ends whatever the command leaves behind.

A process that has left its session (``setsid``, a daemon that forks twice) cannot be found from outside any more. Linux
gives it to the nearest ancestor that asked for orphans, and that is this program: so it knows every descendant, however
far away, and lets none outlive the command. It also learns of the emulator's own end, even by SIGKILL.

It is run by its path in a bare interpreter, so it imports nothing of the package and nothing that is slow to import.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from typing import NoReturn

END_NOW: int = getattr(signal, "SIGRTMAX", signal.SIGUSR1)
"""The signal that ends the command and all its descendants at once; one that no job sends to its process group."""

_LIMIT = 0.8
"""Seconds that ending descendants may take; those of another user, say, cannot be ended at all."""

_LOOK_AGAIN = 0.005
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# What a job may send to its whole group is for the job, and must not end its keeper.
_WATCHED = {
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGALRM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    END_NOW,
}


def main(emulator: int, command: str) -> NoReturn:
    """
    Run a command, end its descendants, and end as it did.

    :param emulator: The process id of the emulator.
    :param command: For ``/bin/sh``.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, END_NOW, 0, 0, 0)
    if os.getppid() != emulator:
        _end_like(None)
    status = _wait(_start(command))
    _end_descendants()
    _end_like(status)


def _start(command: str) -> int:
    shell = os.fork()
    if shell:
        return shell
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.execv("/bin/sh", ["/bin/sh", "-c", command])  # noqa: S606 - it is the shell
    finally:
        os._exit(127)


def _wait(shell: int) -> int | None:
    """Return how the command has ended; None when it is to be ended."""
    while True:
        number = signal.sigwait(_WATCHED)
        if number == END_NOW:
            return None
        if number == signal.SIGCHLD:
            # One signal may stand for several children, and orphans that were adopted are children, too.
            ended = -1
            while ended:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if ended == shell:
                    return status


def _end_descendants() -> None:
    """Kill children until there are none: those of a child that was killed become ours."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(_LOOK_AGAIN)


def _children() -> list[int]:
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                # The name of the program, in parentheses, may hold anything.
                parent = int(stat.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid():
            found.append(int(name))
    return found


def _end_like(status: int | None) -> NoReturn:
    """End with the exit code or by the signal that the command has ended with; by SIGKILL if it was ended."""
    if status is not None and os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = signal.SIGKILL if status is None else os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
