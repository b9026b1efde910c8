# SPDX-License-Identifier: Apache-2.0
"""
A long-running child process, its log and everything that it starts in turn.

Airflow's components fork workers which move into process groups of their own, so killing the child or its group leaves
some of them running. Each child therefore leads a *session*, and it counts as ended only when its session is empty:
that rule is what lets the demo and the tests promise to leave nothing behind. If this process is killed before it has
stopped a child, the child's session is ended by ``session_guard.py``.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from devtools.airflow_stack.session_guard import guard, kill_sessions, members_of

# Short, because a stop is over as soon as the last process is gone.
_POLL_INTERVAL = 0.05
_KILL_LIMIT = 20
_LOG_TAIL_LINES = 30


class ProcessDiedError(RuntimeError):
    """A child ended although it was still wanted; the message carries the end of its log."""


class ChildProcess:
    """
    A command that runs in a session of its own and writes to a log file.

    It is made first and started afterwards, so that its owner can note it before there is anything to stop: an
    interruption between the two leaves nothing behind.

    :param name: What messages call it.
    :param command: The program and its arguments.
    :param env: The whole environment of the child; nothing is inherited beside it.
    :param log: The file that its output is appended to.
    :param user: The user and group id to run as, or None for our own.
    :param stop_signal: What asks it to end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        user: tuple[int, int] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._env = dict(env)
        self._user = user
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"ChildProcess({self.name!r}, pid={self._process.pid if self._process else None})"

    def start(self) -> ChildProcess:
        """Start it, and return itself. A signal that arrives meanwhile is handled when the process is known."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        user, group = self._user or (None, None)
        with self.log.open("ab") as output, signals_held_back():
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                self._command,
                env=self._env,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=[] if self._user else None,
            )
            guard.watch(self._process.pid)
        return self

    @property
    def pid(self) -> int:
        """The id of the child, which is also the id of its session."""
        return self._started.pid

    @property
    def is_alive(self) -> bool:
        """Whether the child itself runs; what it started may outlive it."""
        return self._process is not None and self._process.poll() is None

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started: call start() first")
        return self._process

    def members(self) -> list[psutil.Process]:
        """List the running processes of the session: the child and what it started."""
        return members_of([self.pid])

    def tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the end of the log."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def check_alive(self) -> None:
        """
        Do nothing while the child runs.

        :raises ProcessDiedError: It has ended.
        """
        if self.is_alive:
            return
        code = self._started.returncode
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        raise ProcessDiedError(f"{self.name} {how}. The end of its log ({self.log}):\n{self.tail()}")

    def terminate(self) -> None:
        """Ask the child to end; it is left to it to end what it started."""
        if self.is_alive:
            self._started.send_signal(self._stop_signal)

    def kill(self) -> None:
        """End the whole session at once, as a power cut would; harmless when it was never started."""
        if self._process is None:
            return
        if left := kill_sessions([self.pid]):
            raise RuntimeError(f"{self.name}: the kernel does not end {left}; are they stuck on a device?")
        self._process.wait(timeout=_KILL_LIMIT)
        guard.release(self.pid)


def stop_all(children: Iterable[ChildProcess], *, grace: float) -> None:
    """
    Ask all to end, wait, then kill what is left; afterwards their sessions are empty.

    :param children: What to stop; ended ones are fine.
    :param grace: Seconds that they have together. Ctrl-C in the meantime cuts it short.
    """
    children = list(children)
    deadline = time.monotonic() + grace
    try:
        for child in children:
            child.terminate()
        while any(child.is_alive for child in children) and time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
    finally:
        for child in children:
            child.kill()


def run_to_end(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float, user: tuple[int, int] | None = None
) -> subprocess.CompletedProcess[str]:
    """
    Run a command to its end, and end what it leaves behind: as ``subprocess.run``, in a session of its own.

    :param timeout: Seconds.
    :return: Its exit status, standard output and standard error.
    :raises subprocess.TimeoutExpired: It has not ended, and was killed.
    """
    with _text_file() as output, _text_file() as errors:
        process = None
        try:
            with signals_held_back():
                process = subprocess.Popen(  # noqa: S603 - the caller says what to run
                    list(command),
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    start_new_session=True,
                    user=user[0] if user else None,
                    group=user[1] if user else None,
                    extra_groups=[] if user else None,
                )
                guard.watch(process.pid)
            process.wait(timeout)
        finally:
            if process is not None:
                kill_sessions([process.pid])
                process.wait(_KILL_LIMIT)
                guard.release(process.pid)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(list(command), process.returncode, output.read(), errors.read())


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


@contextmanager
def signals_held_back() -> Iterator[None]:
    """
    Let no signal handler raise inside; what arrived is handled at the end.

    The handlers are replaced, not the signals blocked: a child would inherit that they are blocked.
    """
    # Python runs signal handlers in the main thread only.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in ours:
            signal.signal(number, lambda number, _frame: arrived.append(number))
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)
