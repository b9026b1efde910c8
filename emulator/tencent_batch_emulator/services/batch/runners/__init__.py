# SPDX-License-Identifier: Apache-2.0
"""
What runs a task instance: the contract between the engine and its runners.

A runner knows nothing of states, retries or time limits. It starts work, reports once that it has ended, and stops it
when asked; the report always comes later than :meth:`Runner.start` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

LOG_TAIL = 2048
"""Bytes of output that DescribeTaskLogs gives back: the end, where errors are."""


@dataclass(frozen=True, slots=True)
class Work:
    """
    One execution of one instance.

    :param command: For ``/bin/sh``.
    :param environment: Batch's variables and the task's own.
    :param attempt: Counts up from 1 with every execution of the instance.
    :param memory: GiB of the machine.
    :param is_spot: Whether the machine is one that the cloud may take back.
    """

    job_id: str
    job_name: str
    task_name: str
    index: int
    command: str
    environment: Mapping[str, str]
    attempt: int
    memory: float = 0.0
    is_spot: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """
    How an execution ended by itself or was stopped.

    :param exit_code: The command's; None when it could not be started.
    :param detail: One line for a person.
    :param reason: The StateReason of a failure; None for that of a command that failed by itself.
    """

    exit_code: int | None
    detail: str
    reason: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command says that all is well."""
        return self.exit_code == 0


class Logs:
    """The end of an execution's output."""

    __slots__ = ("stderr", "stdout")

    def __init__(self, stdout: bytes = b"", stderr: bytes = b"") -> None:
        self.stdout = bytearray(stdout[-LOG_TAIL:])
        self.stderr = bytearray(stderr[-LOG_TAIL:])


NO_LOGS = Logs()


class Run(Protocol):
    """Work under way."""

    @property
    def logs(self) -> Logs:
        """Its output so far; stays valid after the end."""
        ...

    def stop(self) -> None:
        """Ask it to end; the end is reported as usual. Without effect when it has ended."""
        ...


OnEnd = Callable[[Ended], None]


class Runner(Protocol):
    """Starts work."""

    @property
    def max_parallel(self) -> int | None:
        """How much it runs at once; None without a limit."""
        ...

    def start(self, work: Work, on_end: OnEnd) -> Run:
        """Start work; ``on_end`` is called exactly once, unless the runner is closed first."""
        ...

    def forget(self, job_id: str) -> None:
        """Remove what is kept about a job that has been deleted."""
        ...

    async def close(self) -> None:
        """End everything within two seconds."""
        ...
