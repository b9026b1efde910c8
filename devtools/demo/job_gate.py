# SPDX-License-Identifier: Apache-2.0
"""
Keep the jobs from ending until their waits watch.

A job that ends before its wait begins is seen by the wait's first poll and needs no event, and the demo is there to
show events. How long a wait takes to begin depends on the machine. So the jobs run until a file exists, and the file is
made when the triggerer has polled each of them and some seconds have passed. Without those, an event could have the
time of the poll, which events tell in whole seconds; a wait does not believe such an event and polls instead.
"""

from __future__ import annotations

import shlex
import time
from datetime import datetime, timezone
from pathlib import Path

from devtools.emulator_process import CloudAddress

SETTLE = 3.0
"""Seconds from the last first poll on after which every event is news: one for its time, two for the cloud's clock."""


class JobGate:
    """
    A command for jobs that do not end before their waits watch.

    :param folder: Where the file will be; it must exist.
    :param cloud: The emulator, which knows the polls.
    :param jobs: How many jobs have to be watched.
    """

    def __init__(self, folder: Path, cloud: CloudAddress, jobs: int) -> None:
        self._file = folder / "jobs-may-end"
        self._cloud = cloud
        self._jobs = jobs
        self._watched_since: float | None = None
        self._first = 0
        self.settled_at: datetime | None = None
        """Since when every job has been watched for long enough; None until then."""

    @property
    def command(self) -> str:
        """A shell command that ends when the gate is open."""
        return f"until [ -e {shlex.quote(str(self._file))} ]; do sleep 0.2; done"

    @property
    def is_open(self) -> bool:
        """Whether the jobs may end."""
        return self._file.exists()

    def open(self) -> None:
        """Let the jobs end."""
        self._file.touch()

    def watch_again(self) -> None:
        """Forget the polls that were made so far: another triggerer begins the waits anew."""
        self._watched_since = self.settled_at = None
        self._first = len(self._cloud.polls())

    def all_are_watched(self) -> bool:
        """Whether the triggerer has polled every job, and some seconds have passed since."""
        if self._watched_since is None and self._polled() >= self._jobs:
            self._watched_since = time.monotonic()
        is_settled = self._watched_since is not None and time.monotonic() - self._watched_since >= SETTLE
        if is_settled and self.settled_at is None:
            self.settled_at = datetime.now(timezone.utc)
        return is_settled

    def _polled(self) -> int:
        """Return how many jobs were polled; workers that defer do not poll."""
        return len(set().union(*self._cloud.polls()[self._first :]))
