# SPDX-License-Identifier: Apache-2.0
"""
Who waits for which job: several waits on one job, one wait for several jobs.

The registry hands events and the API's answers to the waits and remembers nothing about a job for which nobody waits: a
late wait polls the API, which knows better. What a wait or its listener raises stays with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable

from airflow_batch_events.dispatch.loops.supervision import Isolation
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import JobWait, Outcome, WaitDecision

EventListener = Callable[[BatchEvent], None]


class WaitGroup:
    """
    The jobs that one task waits for; resolved when all of them have settled.

    :param waits: One decision for each job, in the task's order.
    :param reconcile_interval: Seconds between polls while events can be read.
    :param listener: Called with each event about one of the jobs, for progress in the task's log.
    """

    __slots__ = ("_open", "done", "listener", "reconcile_interval", "waits")

    def __init__(
        self, waits: Collection[JobWait], reconcile_interval: float, listener: EventListener | None = None
    ) -> None:
        self.waits = waits
        self.reconcile_interval = reconcile_interval
        self.listener = listener
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = len(waits)

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of the waits that have ended, in the task's order."""
        return [wait.outcome for wait in self.waits if wait.outcome is not None]

    def settle_one(self, wait: JobWait) -> None:
        """Note that one of the waits has ended."""
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the whole group with an error."""
        if not self.done.done():
            self.done.set_exception(error)


class WaitRegistry:
    """
    The open waits by job id.

    :param isolation: Keeps what one of them raises from the others.
    :param on_left: Told a job's id when nobody waits for it any more.
    """

    def __init__(self, isolation: Isolation, on_left: Callable[[str], None]) -> None:
        self._isolation = isolation
        self._on_left = on_left
        self._entries: dict[str, list[tuple[JobWait, WaitGroup]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._entries

    def add(self, group: WaitGroup) -> None:
        """Let the group's waits receive what comes for their jobs."""
        for wait in group.waits:
            self.enter(wait, group)

    def enter(self, wait: JobWait, group: WaitGroup) -> None:
        """Let one wait of a group receive what comes for its job."""
        self._entries.setdefault(wait.job_id, []).append((wait, group))

    def remove(self, group: WaitGroup) -> None:
        """Take the group's remaining waits out of the registry."""
        for wait in group.waits:
            self._leave(wait, group)

    def groups(self) -> list[WaitGroup]:
        """Return every group that has an open wait."""
        return list({id(group): group for entries in self._entries.values() for _, group in entries}.values())

    def is_missing(self, job_id: str) -> bool:
        """Whether a wait for the job has been told that the API does not know it."""
        return any(wait.is_missing for wait, _ in self._entries.get(job_id, ()))

    def reconcile_interval(self, job_id: str) -> float:
        """Return the shortest interval that a wait for the job asks for, in seconds."""
        return min(group.reconcile_interval for _, group in self._entries[job_id])

    def on_event(self, event: BatchEvent, now: float) -> WaitDecision | None:
        """Hand an event to the waits for its job; None when there are none."""
        entries = self._entries.get(event.job_id or "")
        if not entries:
            return None
        for _, group in entries:
            if group.listener is not None:
                with self._isolation.of("listener of job", event.job_id):
                    group.listener(event)
        return self._apply(entries, lambda wait: wait.on_event(event, now))

    def on_poll(self, job_id: str, state: str | None, as_of: float) -> WaitDecision:
        """Hand the API's answer to the waits for the job."""
        return self._apply(self._entries.get(job_id, ()), lambda wait: wait.on_poll(state, as_of))

    def on_refusal(self, job_id: str, reason: str, as_of: float) -> None:
        """Hand the API's refusal of the id to the waits for the job."""
        self._apply(self._entries.get(job_id, ()), lambda wait: wait.on_refusal(reason, as_of))

    def on_clock_jump(self) -> None:
        """Let every wait forget the times that it knows."""
        for entries in self._entries.values():
            for wait, _ in entries:
                wait.on_clock_jump()

    def settle(self, wait: JobWait, group: WaitGroup) -> None:
        """Take a wait that has ended out of the registry."""
        self._leave(wait, group)
        group.settle_one(wait)

    def _apply(
        self, entries: Iterable[tuple[JobWait, WaitGroup]], decide: Callable[[JobWait], WaitDecision]
    ) -> WaitDecision:
        wanted = WaitDecision.DONE
        for wait, group in list(entries):
            with self._isolation.of("wait for job", wait.job_id):
                decision = decide(wait)
                if decision is WaitDecision.DONE:
                    self.settle(wait, group)
                elif wanted is not WaitDecision.POLL_SOON:
                    wanted = decision
        return wanted

    def _leave(self, wait: JobWait, group: WaitGroup) -> None:
        entries = self._entries.get(wait.job_id)
        if entries is None:
            return
        entries[:] = [entry for entry in entries if entry[0] is not wait]
        if not entries:
            del self._entries[wait.job_id]
            self._on_left(wait.job_id)
