# SPDX-License-Identifier: Apache-2.0
"""
A runner that really runs the command: each execution in a session of its own, under a keeper (``keeper.py``).

A process gets a directory of its own that only this user can enter and a clean environment (never the emulator's: that
may hold keys), its output is kept up to a limit, and it is ended with everything that it has started. On Linux nothing
outlives its execution or the runner, not what has left its session, and not when the emulator is killed; except for
what runs as another user (``sudo``), and what has left its session *and* killed its keeper by SIGKILL. Elsewhere only
the process group is ended, and nothing when the emulator is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path

from tencent_batch_emulator.services.batch.runners import LOG_TAIL, Ended, Logs, OnEnd, Work, keeper
from tencent_batch_emulator.services.batch.runners.directories import make_private, write_private

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 1024 * 1024
GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""

CLOSE_GRACE = 0.5
"""The same, when the whole emulator ends."""

_DRAIN = 1.0


class ProcessRun(asyncio.SubprocessProtocol):
    """One execution, its output, and how it ended."""

    def __init__(self, work: Work, work_dir: Path, output_limit: int) -> None:
        self.logs = Logs()
        self._work = work
        self._work_dir = work_dir
        self._directory = work_dir
        self._output_limit = output_limit
        self._kept = {1: bytearray(), 2: bytearray()}
        self._stop = asyncio.Event()
        self._exited = asyncio.Event()
        self._output_ended = asyncio.Event()
        self._grace = GRACE

    def stop(self) -> None:
        """Ask the process group to end, and end it and all that has left it after a grace."""
        self._stop.set()

    def hurry(self, grace: float) -> None:
        """Stop, with a shorter grace."""
        self._grace = grace
        self._stop.set()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the beginning for the file and the end for the API."""
        tail = self.logs.stdout if fd == 1 else self.logs.stderr
        tail += data
        del tail[:-LOG_TAIL]
        kept = self._kept[fd]
        room = self._output_limit - len(kept)
        kept += data[: max(0, room)]

    def process_exited(self) -> None:
        """Note that the command has ended, and with it what it had started."""
        self._exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nobody holds the output any more."""
        self._output_ended.set()

    async def watch(self) -> Ended:
        """Start the command and wait for its end, and for the end of everything that it has started."""
        if self._stop.is_set():
            return Ended(143, "the command was stopped before it had started")
        try:
            self._directory = await asyncio.to_thread(
                make_private,
                self._work_dir,
                self._work.job_id,
                f"{self._work.task_name}.{self._work.index}",
                str(self._work.attempt),
            )
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                # Isolated: neither the job's variables nor installed packages change how the keeper starts.
                *(sys.executable, "-I", "-S", keeper.__file__, str(os.getpid())),
                self._work.command,
                cwd=self._directory,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ended(None, f"the command could not be started: {error}")
        pid = transport.get_pid()
        try:
            await self._until_ended(pid)
            # Where the keeper could not do so, or was killed itself.
            _signal_group(pid, signal.SIGKILL)
            await _within(self._output_ended, _DRAIN)
        finally:
            _signal_group(pid, signal.SIGKILL)
            transport.close()
        await asyncio.to_thread(self._write_files)
        return _describe(transport.get_returncode())

    def _environment(self) -> dict[str, str]:
        fixed = {"PATH": SEARCH_PATH, "HOME": str(self._directory), "LANG": "C.UTF-8"}
        return {**fixed, **self._work.environment}

    async def _until_ended(self, pid: int) -> None:
        events = [asyncio.ensure_future(event.wait()) for event in (self._exited, self._stop)]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
        if not self._exited.is_set():
            _signal_group(pid, signal.SIGTERM)
            await _within(self._exited, self._grace)
        if not self._exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, keeper.END_NOW)
            await _within(self._exited, _DRAIN)

    def _write_files(self) -> None:
        with contextlib.suppress(OSError):
            for fd, name in ((1, "stdout.log"), (2, "stderr.log")):
                write_private(self._directory / name, self._kept.pop(fd))


class ProcessRunner:
    """
    Run commands as processes.

    :param work_dir: Each execution gets ``<work_dir>/<job>/<task>.<index>/<attempt>``, with its output in there; only
        this user can enter it.
    :param max_parallel: How many processes run at once; instances beyond it wait in RUNNABLE.
    :param output_limit: Bytes of each output stream that are kept in its file; the end is always kept for the API.
    """

    def __init__(
        self, work_dir: str | Path, *, max_parallel: int | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> None:
        self.max_parallel = max_parallel if max_parallel is not None else 4 * (os.cpu_count() or 1)
        self._work_dir = Path(work_dir).absolute()
        self._output_limit = output_limit
        self._runs: dict[asyncio.Task[None], ProcessRun] = {}
        self._removals: set[asyncio.Task[None]] = set()

    def start(self, work: Work, on_end: OnEnd) -> ProcessRun:
        """Start a process in the background."""
        run = ProcessRun(work, self._work_dir, self._output_limit)
        task = asyncio.get_running_loop().create_task(self._watch(run, on_end), name=f"run-{work.job_id}")
        self._runs[task] = run
        task.add_done_callback(self._runs.pop)
        return run

    def forget(self, job_id: str) -> None:
        """Remove the directories of a job, in the background."""
        removal = asyncio.to_thread(shutil.rmtree, self._work_dir / job_id, ignore_errors=True)
        task = asyncio.get_running_loop().create_task(removal)
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def close(self) -> None:
        """Stop all processes; those that do not listen are killed."""
        tasks = {*self._runs, *self._removals}
        for run in list(self._runs.values()):
            run.hurry(CLOSE_GRACE)
        if not tasks:
            return
        _, unfinished = await asyncio.wait(tasks, timeout=CLOSE_GRACE + _DRAIN)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, run: ProcessRun, on_end: OnEnd) -> None:
        on_end(await run.watch())


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _describe(return_code: int | None) -> Ended:
    if return_code is None:
        return Ended(None, "the end of the command was not seen")
    if return_code >= 0:
        return Ended(return_code, f"the command ended with exit code {return_code}")
    try:
        name = signal.Signals(-return_code).name
    except ValueError:
        name = f"signal {-return_code}"
    return Ended(128 - return_code, f"the command was ended by {name}")
