# SPDX-License-Identifier: Apache-2.0
"""
Wait for jobs while further ones are submitted: one group of waits for a whole task, and no task of the loop for a job.

A job may end before SubmitJob's answer has told its id. Its event is nobody's then and would be missed until the next
poll, so events that nobody takes are remembered for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque

from airflow_batch_events.dispatch.wait_registry import WaitGroup
from airflow_batch_events.events.catalog import SETTLING_EVENTS
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import JobWait, Outcome

FIRST_POLL = 5.0
"""
Seconds from a job's submission to its first poll. Nothing of a new job can have been missed but what
:attr:`OpenWait.early` keeps, and polls that wait for each other share calls.
"""

GATHER_ALONE = 0.5
"""Seconds that messages have to gather while only tasks with many jobs wait: none of their jobs is in a hurry."""

GATHER_BESIDE = 0.06
"""The same while others wait, too."""

MAX_EARLY = 1_000
"""Events that are remembered, the newest ones."""


class OpenWait(WaitGroup):
    """
    A group of waits that grows and shrinks; it is never done, but it may fail.

    :param reconcile_interval: Seconds between polls while events can be read.
    """

    __slots__ = ("_has_settled", "_jobs", "_settled", "early")

    def __init__(self, reconcile_interval: float) -> None:
        self._jobs: dict[str, JobWait] = {}
        # A view: it shows what is waited for at any moment.
        super().__init__(self._jobs.values(), reconcile_interval)
        self.early: dict[str, BatchEvent] = {}
        """Events of jobs that nobody waits for, by job id."""
        self._settled: deque[JobWait] = deque()
        self._has_settled = asyncio.Event()

    @property
    def left(self) -> int:
        """Jobs that have not ended."""
        return len(self._jobs) - len(self._settled)

    def enter(self, wait: JobWait) -> None:
        """Take a further wait."""
        self._jobs[wait.job_id] = wait

    def note_early(self, event: BatchEvent) -> None:
        """Take an event that nobody waits for."""
        if event.job_id and event.known_name in SETTLING_EVENTS:
            self.early[event.job_id] = event
            if len(self.early) > MAX_EARLY:
                del self.early[next(iter(self.early))]

    def settle_one(self, wait: JobWait) -> None:
        """Note that one of the waits has ended."""
        self._settled.append(wait)
        self._has_settled.set()

    def fail(self, error: Exception) -> None:
        """End the whole group with an error."""
        super().fail(error)
        self._has_settled.set()

    async def settled(self) -> list[Outcome]:
        """
        Return the outcomes of the jobs that have ended since the last call; waits until there is one.

        :raises BatchEventsError: When the group has failed.
        """
        while not self._settled:
            if self.done.done():
                self.done.result()
            self._has_settled.clear()
            await self._has_settled.wait()
        outcomes = []
        while self._settled:
            wait = self._settled.popleft()
            self._jobs.pop(wait.job_id, None)
            if wait.outcome is not None:
                outcomes.append(wait.outcome)
        return outcomes

    def close(self) -> None:
        """Let go of an error that nobody has asked for."""
        if self.done.done() and not self.done.cancelled():
            self.done.exception()
