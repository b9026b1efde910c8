# SPDX-License-Identifier: Apache-2.0
"""
One reader and one reconciler for one queue, shared by all waits of an event loop: list, then watch.

A wait registers first and looks at the API once; from then on events end it, and seldom looks make up for events that
were lost. While the queue cannot be read the looks become far more frequent. A consumer fails only at first contact,
when somebody has to mend a setting; see ``reader.py`` and ``reconcile.py``.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass

from airflow_batch_events.dispatch.board import Board, EventListener, WaitGroup
from airflow_batch_events.dispatch.clock import CloudClock
from airflow_batch_events.dispatch.metrics import Counts, Metrics
from airflow_batch_events.dispatch.reader import Queue, Reader, ReaderSettings
from airflow_batch_events.dispatch.reconcile import MAX_IDS, DescribeJobs, JobView, Reconciler
from airflow_batch_events.dispatch.seen import Seen
from airflow_batch_events.dispatch.tap import Tap, Wants
from airflow_batch_events.events.catalog import SETTLING_EVENTS
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import DEFAULT_GRACE, RECONCILE_INTERVAL, JobWait, Next, Outcome
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    BatchEventsError,
    CmqCredentialsError,
    CredentialsError,
    QueueMissingError,
    QueueNotFoundError,
)

log = logging.getLogger(__name__)

DEGRADED_INTERVAL = 15.0
"""Seconds between looks at the most while the queue cannot be read."""

SHARED_INTERVAL = 30.0
"""Seconds between looks at the most while another triggerer seems to read the queue, too, and may get our events."""

CALL_INTERVAL = 30.0
"""Seconds between two look calls at the most, for another triggerer may read the queue without our knowing it."""

SHARED_FOR = 600.0
"""Seconds for which one sign of another triggerer counts."""

MISSING_INTERVAL = 5.0
"""Seconds between looks at the most for a job that the API does not know."""

CLOCK_CHECK = 60.0
"""Seconds after which the time left until a deadline is measured again; the clock may have been corrected."""

LAST_LOOK = 5.0
"""Seconds for which a deadline waits for a last look at the API."""


@dataclass(frozen=True)
class Source:
    """
    Where the facts come from.

    :param queue: The queue, or None for waits that live on looks alone.
    :param describe: One DescribeJobs call for up to 100 ids, without retries of its own.
    """

    queue: Queue | None
    describe: DescribeJobs


OpenSource = Callable[[CloudClock], AbstractAsyncContextManager[Source]]


class Consumer:
    """
    Wait for jobs, any number of them at once.

    :param name: What log lines and errors call the queue: its name, region, endpoint and connection.
    :param open_source: Opens the clients, which teach the clock that they are given; called once, in the consumer's
        own task.
    :param settings: How the queue is read.
    :param metrics: Where counts and measurements go.
    """

    def __init__(
        self,
        name: str,
        open_source: OpenSource,
        settings: ReaderSettings | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.name = name
        self.clock = CloudClock(monotonic=asyncio.get_running_loop().time)
        self.board = Board()
        self.metrics = metrics or Counts()
        self.reconciler = Reconciler(name, self._describe, self, self.metrics)
        self._settings = settings or ReaderSettings()
        self._open_source = open_source
        self._source: Source | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BatchEventsError | None = None
        self._taps: set[Tap] = set()
        self._is_readable = True
        self._shared_until = float("-inf")
        self._finished: Seen[str] = Seen()
        self._seen: Seen[int] = Seen()

    @property
    def is_usable(self) -> bool:
        """Whether a new wait may use this consumer; one that failed at first contact is replaced."""
        return self._error is None

    def start(self) -> None:
        """Start to read and to look; whoever starts the consumer stops it."""
        # An empty context, because log lines of the shared reader must not go to the task that happened to be first.
        loop = asyncio.get_running_loop()
        self._task = contextvars.Context().run(loop.create_task, self._run())

    async def stop(self) -> None:
        """Stop, delete what was handed out, and close the clients."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def tap(self, wants: Wants = bool) -> Iterator[Tap]:
        """
        See the messages that are received, as long as the context lasts.

        :param wants: Says by a message's events whether the message is wanted; by default, if it has any.
        :raises ConfigurationError: In the iteration, when the queue does not exist or the keys are refused at first
            contact.
        """
        tap = Tap(wants)
        if self._error is not None:
            tap.fail(self._error)
        self._taps.add(tap)
        try:
            yield tap
        finally:
            self._taps.discard(tap)
            tap.close()

    async def wait_for(
        self,
        job_ids: Sequence[str],
        *,
        deadline: float | None = None,
        start_deadline: float | None = None,
        grace: float = DEFAULT_GRACE,
        reconcile_interval: float = RECONCILE_INTERVAL,
        listener: EventListener | None = None,
    ) -> list[Outcome]:
        """
        Wait until every job has settled.

        :param job_ids: The jobs, each once; other waits may name the same jobs.
        :param deadline: Unix seconds at which the wait is over; None waits without end.
        :param start_deadline: Unix seconds at which the wait is over for a job that has not begun to run.
        :param grace: Seconds for which a job that the API does not know counts as not visible yet.
        :param reconcile_interval: Seconds between looks at the API at the most, while the queue can be read.
        :param listener: Called with each event about one of the jobs.
        :return: One outcome for each job, in the order of ``job_ids``.
        :raises ConfigurationError: When the queue does not exist or the keys are refused at first contact.
        """
        if self._error is not None:
            raise self._error
        if not job_ids:
            return []
        began = self.clock.latest() if self.clock.is_known else None
        group = WaitGroup([JobWait(job_id, began, grace) for job_id in job_ids], reconcile_interval, listener)
        self.board.add(group)
        self.metrics.level("waits", len(self.board))
        try:
            for job_id in job_ids:
                self.reconciler.ask(job_id)
            if start_deadline is not None:
                await self._wait_until(start_deadline, group, JobWait.on_start_deadline)
            if deadline is not None:
                await self._wait_until(deadline, group, JobWait.on_deadline)
            await group.done
        finally:
            self.board.remove(group)
            for job_id in job_ids:
                self._finished.add(job_id)
                if job_id not in self.board:
                    self.reconciler.forget(job_id)
            self.metrics.level("waits", len(self.board))
        return group.outcomes

    async def _wait_until(self, deadline: float, group: WaitGroup, end: Callable[[JobWait], Next]) -> None:
        """Wait until the group is done or the deadline has passed, which ends what is still open."""
        while not group.done.done():
            left = deadline - self.clock.now()
            if left > 0:
                await asyncio.wait([group.done], timeout=min(left, CLOCK_CHECK))
                continue
            await self._look_before_ending(group)
            # The look may have told that this machine's clock is wrong, and there is time left.
            if self.clock.now() >= deadline:
                for wait in group.waits:
                    if not wait.is_done and end(wait) is Next.DONE:
                        self.board.settle(wait, group)
                return

    async def _look_before_ending(self, group: WaitGroup) -> None:
        """Let the API say whether a job has ended or begun while its event was lost."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LAST_LOOK
        before = [(wait, wait.looks) for wait in group.waits if not wait.is_done]
        for wait, _ in before:
            self.reconciler.ask(wait.job_id)
        while loop.time() < ends and any(not wait.is_done and wait.looks == looks for wait, looks in before):
            await asyncio.wait([group.done], timeout=0.1)

    async def _run(self) -> None:
        try:
            async with self._open_source(self.clock) as self._source:
                loops = [asyncio.ensure_future(self.reconciler.run())]
                if self._source.queue is not None:
                    reader = Reader(
                        self.name,
                        self._source.queue,
                        self._take,
                        self._on_health,
                        self.clock,
                        self._settings,
                        self.metrics,
                        self._taps,
                    )
                    loops.append(asyncio.ensure_future(reader.run()))
                try:
                    # Not gather: it would cancel the loops a first time, and the reader, which then deletes what it
                    # has handed out, must be cancelled only once.
                    ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        task.result()
                finally:
                    for task in loops:
                        task.cancel()
                    await asyncio.gather(*loops, return_exceptions=True)
        except Exception as error:
            self._error = self._explain(error)
            if not isinstance(error, BatchEventsError):
                log.exception("The reader of %s ended", self.name)
            for group in self.board.groups():
                group.fail(self._error)
            for tap in self._taps:
                tap.fail(self._error)

    def _explain(self, error: Exception) -> BatchEventsError:
        if isinstance(error, QueueNotFoundError):
            return QueueMissingError(
                f"{self.name} does not exist: create it, subscribe it to the topic that the jobs notify "
                f"(NotifyContentFormat SIMPLIFIED), or correct queue_name"
            )
        if isinstance(error, ApiCredentialsError | CmqCredentialsError):
            return CredentialsError(f"The cloud refused the keys for {self.name}: {error}")
        if isinstance(error, BatchEventsError):
            return error
        return BatchEventsError(f"The reader of {self.name} ended: {error!r}")

    async def _describe(self, job_ids: Sequence[str]) -> Sequence[JobView]:
        if self._source is None:
            raise RuntimeError("the reconciler runs only while the source is open")
        return await self._source.describe(job_ids)

    # What the reader reports.

    def _take(self, event: BatchEvent) -> bool:
        now = self.clock.now()
        self._measure(event, now)
        wanted = self.board.on_event(event, now)
        if wanted is None:
            self._note_foreign(event)
            return False
        self.metrics.count("events.dispatched")
        if wanted is Next.LOOK_SOON and event.job_id:
            self.metrics.count("events.stale")
            self.reconciler.ask(event.job_id)
        return True

    def _note_foreign(self, event: BatchEvent) -> None:
        """Look more often while events of other triggerers' jobs arrive here, because ours may arrive there."""
        if event.known_name not in SETTLING_EVENTS or event.job_id in self._finished:
            return
        now = asyncio.get_running_loop().time()
        if self._shared_until < now:
            self._look_within(SHARED_INTERVAL)
        self._shared_until = now + SHARED_FOR

    def _measure(self, event: BatchEvent, now: float) -> None:
        if not self._seen.add(hash(event.identity)):
            self.metrics.count("events.duplicate")
            return
        if event.time is not None:
            self.metrics.time("lag.event", max(0.0, now - event.time.timestamp()))

    def _on_health(self, is_readable: bool) -> None:
        if self._is_readable and not is_readable:
            self._look_within(DEGRADED_INTERVAL)
        self._is_readable = is_readable

    def _look_within(self, seconds: float) -> None:
        for job_id in self.board:
            self.reconciler.ask(job_id, seconds * random.random())

    @property
    def _has_queue(self) -> bool:
        return self._source is not None and self._source.queue is not None

    # What the reconciler reports.

    def wants(self, job_id: str) -> bool:
        """Whether anybody still waits for the job."""
        return job_id in self.board

    def on_look(self, job_id: str, state: str | None) -> None:
        """Take what a look at the API brought, and plan the next one."""
        self.board.on_look(job_id, state, self.clock.latest())
        if job_id not in self.board:
            return
        interval = self.board.reconcile_interval(job_id)
        if self._has_queue:
            # A call for a hundred jobs now and then costs a tenth of what the long polls cost; as long as one is enough
            # for all waits, an event that another triggerer has taken costs them no more than this.
            interval = min(interval, CALL_INTERVAL * math.ceil(len(self.board) / MAX_IDS))
        if not self._is_readable:
            interval = min(interval, DEGRADED_INTERVAL)
        if self._shared_until > asyncio.get_running_loop().time():
            interval = min(interval, SHARED_INTERVAL)
        if self.board.is_missing(job_id):
            interval = min(interval, MISSING_INTERVAL)
        self.reconciler.ask(job_id, interval * random.uniform(0.8, 1.0))

    def on_refusal(self, job_id: str, reason: str) -> None:
        """Take the API's refusal to read this as a job id."""
        self.board.on_refusal(job_id, reason)
