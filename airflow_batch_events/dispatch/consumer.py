# SPDX-License-Identifier: Apache-2.0
"""
One reader and one poller for one queue, shared by all waits of an event loop: list, then watch.

A wait registers first and polls the API once; from then on events end it, and rare polls make up for events that were
lost. How rare says ``poll_schedule.py``. A consumer fails only at first contact, when a setting is wrong; see
``first_contact.py``. A loop that ends by anything else is started again; see ``supervision.py``.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_batch_events.dispatch import first_contact
from airflow_batch_events.dispatch.deadline import Deadline, WaitLimits
from airflow_batch_events.dispatch.loops.output_loop import ASend, PacedCalls
from airflow_batch_events.dispatch.loops.supervision import Isolation, keep_running
from airflow_batch_events.dispatch.many.open_wait import FIRST_POLL, GATHER_ALONE, GATHER_BESIDE, OpenWait
from airflow_batch_events.dispatch.message_subscriber import MAX_OPEN, MessageSubscriber, Wants
from airflow_batch_events.dispatch.metrics import Counts, IsolatedMetrics, Metrics
from airflow_batch_events.dispatch.poll_schedule import PollSchedule
from airflow_batch_events.dispatch.poller import DescribeJobs, Poller
from airflow_batch_events.dispatch.reader import Queue, Reader, ReaderSettings
from airflow_batch_events.dispatch.recent_set import RecentSet
from airflow_batch_events.dispatch.wait_registry import EventListener, WaitGroup, WaitRegistry
from airflow_batch_events.events.catalog import SETTLING_EVENTS
from airflow_batch_events.events.duration import ENDLESS, seconds_of
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import DEFAULT_GRACE, RECONCILE_INTERVAL, JobWait, Outcome, WaitDecision
from airflow_batch_events.exceptions import BatchEventsError, TransportError
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.clock import CloudClock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backends:
    """
    Where the facts come from.

    :param queue: The queue, or None for waits that are only polled.
    :param describe: One DescribeJobs call for up to 100 ids, without retries of its own.
    :param send: Any call to the API, without retries; None where only ``describe`` can be called.
    """

    queue: Queue | None
    describe: DescribeJobs
    send: ASend | None = None


OpenBackends = Callable[[CloudClock], AbstractAsyncContextManager[Backends]]


class Consumer:
    """
    Wait for jobs, any number of them at once.

    :param name: What log lines and errors call the queue: its name, region, endpoint and connection.
    :param open_backends: Opens the clients, which teach the clock that they are given; called once, in the consumer's
        own task.
    :param settings: How the queue is read.
    :param metrics: Where counts and measurements go.
    :param region: The region of the jobs: an event that names another one is not believed. None believes any.
    :param clock: The cloud's time; by default a new clock, which the clients teach.
    """

    def __init__(
        self,
        name: str,
        open_backends: OpenBackends,
        settings: ReaderSettings | None = None,
        metrics: Metrics | None = None,
        region: str | None = None,
        clock: CloudClock | None = None,
    ) -> None:
        self.name = name
        self.clock = clock or CloudClock(monotonic=asyncio.get_running_loop().time)
        self.metrics: Metrics = Counts() if metrics is None else IsolatedMetrics(metrics)
        self.isolation = Isolation(self.metrics)
        self.registry = WaitRegistry(self.isolation, self._on_left)
        self._schedule = PollSchedule()
        self.output_calls = PacedCalls(self._send, self.metrics)
        self._poller = Poller(name, self._describe, self, self._schedule, self.metrics, self.isolation)
        self._region = region
        self._jumps = self.clock.jumps
        self._subscriber_numbers = itertools.count(1)
        self._settings = settings or ReaderSettings()
        self._open_backends = open_backends
        self._backends: Backends | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: BatchEventsError | None = None
        self._subscribers: set[MessageSubscriber] = set()
        self._open_waits: set[OpenWait] = set()
        self._finished: RecentSet[str] = RecentSet()
        self._received: RecentSet[int] = RecentSet()

    @property
    def is_usable(self) -> bool:
        """Whether a new wait may use this consumer; one that failed at first contact is replaced."""
        return self._error is None

    def start(self) -> None:
        """Start to read and to poll; the caller stops what it has started."""
        # An empty context, because log lines of the shared reader must not go to the task that happened to be first.
        loop = asyncio.get_running_loop()
        self._task = contextvars.Context().run(loop.create_task, self._run())

    async def stop(self) -> None:
        """Stop, delete what was handed out, and close the clients."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def subscriber(
        self, wants: Wants = bool, *, capacity: int = MAX_OPEN, name: str | None = None, max_size: float = math.inf
    ) -> Iterator[MessageSubscriber]:
        """
        See the messages that are received, as long as the context lasts.

        :param wants: Says by a message's events whether the message is wanted; by default, if it has any.
        :param capacity: Messages that are held before the reader has to wait: at least as many as are settled together.
        :param name: What log lines call the subscriber.
        :param max_size: Characters of bodies that are held before the reader has to wait; by default, of any length.
        :raises ConfigurationError: In the iteration, when the queue does not exist or the keys are refused at first
            contact.
        """
        name = name or f"subscriber {next(self._subscriber_numbers)}"
        subscriber = MessageSubscriber(wants, capacity=capacity, name=name, max_size=max_size)
        if self._error is not None:
            subscriber.fail(self._error)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)
            subscriber.close()

    async def wait_for(
        self,
        job_ids: Sequence[str],
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        start_timeout: float | None = None,
        start_deadline: float | None = None,
        grace: float = DEFAULT_GRACE,
        reconcile_interval: float = RECONCILE_INTERVAL,
        listener: EventListener | None = None,
    ) -> list[Outcome]:
        """
        Wait until every job has settled.

        :param job_ids: The jobs, each once; other waits may name the same jobs.
        :param timeout: Seconds that the wait lasts, counted from now; None waits without end. It and the other
            durations may be a ``timedelta``, a number or a number as text.
        :param deadline: The cloud's time, Unix seconds, at which the wait is over, too; it takes the word of both the
            cloud's clock and this machine's. For a wait that begins anew.
        :param start_timeout: Seconds that the wait lasts for a job that has not begun to run.
        :param start_deadline: The same as a time of the cloud's.
        :param grace: Seconds for which a job that the API does not know counts as not visible yet.
        :param reconcile_interval: Seconds between polls at the most, while the queue can be read.
        :param listener: Called with each event about one of the jobs.
        :return: One outcome for each job, in the order of ``job_ids``.
        :raises ConfigurationError: When the queue does not exist or the keys are refused at first contact, and for what
            is no duration or time.
        """
        if self._error is not None:
            raise self._error
        if not job_ids:
            return []
        limits = WaitLimits(
            start=Deadline.read("start_", start_timeout, start_deadline), end=Deadline.read("", timeout, deadline)
        )
        grace = seconds_of("grace", grace, most=ENDLESS)
        interval = seconds_of("reconcile_interval", reconcile_interval, most=ENDLESS)
        self._note_clock()
        began = self.clock.latest() if self.clock.is_known else None
        waits = [JobWait(job_id, began, grace, region=self._region) for job_id in job_ids]
        group = WaitGroup(waits, interval, listener)
        self.registry.add(group)
        self.metrics.level("waits", len(self.registry))
        try:
            self._wake_if(self._schedule.add(job_ids, _now()))
            await limits.keep(group, self.registry, self.clock, self._poll_now)
            await group.done
        finally:
            self.registry.remove(group)
            self.metrics.level("waits", len(self.registry))
        return group.outcomes

    @contextmanager
    def open_wait(self, *, reconcile_interval: float = RECONCILE_INTERVAL) -> Iterator[OpenWait]:
        """
        Wait for jobs that are submitted meanwhile, as long as the context lasts.

        :param reconcile_interval: Seconds between polls at the most, while the queue can be read.
        :raises ConfigurationError: When the queue does not exist or the keys are refused at first contact; if that is
            found out later, :meth:`OpenWait.settled` raises it.
        """
        if self._error is not None:
            raise self._error
        wait = OpenWait(reconcile_interval)
        self._open_waits.add(wait)
        try:
            yield wait
        finally:
            self._open_waits.discard(wait)
            self.registry.remove(wait)
            wait.close()
            self.metrics.level("waits", len(self.registry))

    def wait_also(self, wait: OpenWait, job_id: str, *, since: float | None = None) -> None:
        """
        Wait for one more job.

        :param wait: The wait.
        :param job_id: The job, for which the wait does not wait yet.
        :param since: The cloud's time, Unix seconds, before which the job surely was not submitted: events after it
            are believed, and the first poll may come later. None for a job of which nothing is known; it is polled at
            once.
        """
        self._note_clock()
        began = self.clock.latest() if self.clock.is_known else None
        job = JobWait(job_id, began if since is None else since, region=self._region)
        wait.enter(job)
        self.registry.enter(job, wait)
        self._wake_if(self._schedule.add([job_id], _now() + (0.0 if since is None else FIRST_POLL)))
        early = wait.early.pop(job_id, None)
        if early is not None and self.registry.on_event(early, self.clock.now()) is WaitDecision.POLL_SOON:
            self._poll_now([job_id])

    async def keep_deadline(self, wait: OpenWait, deadline: Deadline) -> None:
        """
        Return when the deadline has passed, or the wait has failed; the jobs that had not ended have an outcome then.

        :param wait: The wait.
        :param deadline: Its end, which must be set.
        """
        await WaitLimits(Deadline(), deadline).keep(wait, self.registry, self.clock, self._poll_now)

    def _on_left(self, job_id: str) -> None:
        self._finished.add(job_id)
        self._schedule.forget(job_id)

    async def _run(self) -> None:
        try:
            await keep_running("consumer", self._serve, self.metrics, ends=(BatchEventsError,))
        except BatchEventsError as error:
            self._error = first_contact.explain(self.name, error)
            for group in {*self.registry.groups(), *self._open_waits}:
                group.fail(self._error)
            for subscriber in self._subscribers:
                subscriber.fail(self._error)

    async def _serve(self) -> None:
        async with self._open_backends(self.clock) as self._backends:
            queue = self._backends.queue
            self._schedule.has_queue = queue is not None
            loops = [self._keep("poller", self._poller.run, *first_contact.POLLER_ERRORS)]
            if queue is not None:
                reader = Reader(
                    self.name,
                    queue,
                    self._take,
                    self._on_health,
                    self.clock,
                    self._settings,
                    self.metrics,
                    self.isolation,
                    self._subscribers,
                    self._gather,
                )
                loops.append(self._keep("reader", reader.run, *first_contact.READER_ERRORS))
            try:
                # Not gather: it would cancel the loops a first time, and the reader, which then deletes what it has
                # handed out, must be cancelled only once.
                ended, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in loops:
                    task.cancel()
                await asyncio.gather(*loops, return_exceptions=True)

    def _keep(
        self, name: str, loop: Callable[[], Coroutine[Any, Any, None]], *ends: type[Exception]
    ) -> asyncio.Task[None]:
        return asyncio.ensure_future(keep_running(f"{name} of {self.name}", loop, self.metrics, ends=ends))

    async def _describe(self, job_ids: Sequence[str]) -> JobStates:
        if self._backends is None:
            raise RuntimeError("the poller runs only while the backends are open")
        return await self._backends.describe(job_ids)

    async def _send(self, request: Request[Any]) -> Any:
        if self._backends is None or self._backends.send is None:
            raise TransportError(f"{request.action}: {self.name} has no client yet")
        return await self._backends.send(request)

    def _gather(self) -> float:
        """Return the seconds that messages have to gather, so that calls bring many where many jobs end."""
        if self._subscribers or not self._open_waits:
            return 0.0
        of_many = sum(wait.left for wait in self._open_waits)
        return GATHER_BESIDE if len(self.registry) > of_many else GATHER_ALONE

    # What the reader reports.

    def _take(self, event: BatchEvent) -> bool:
        self._note_clock()
        now = self.clock.now()
        self._measure(event, now)
        wanted = self.registry.on_event(event, now)
        if wanted is None:
            for wait in self._open_waits:
                wait.note_early(event)
            self._note_foreign(event)
            return False
        self.metrics.count("events.dispatched")
        if wanted is WaitDecision.POLL_SOON and event.job_id:
            self.metrics.count("events.stale")
            self._poll_now([event.job_id])
        return True

    def _note_foreign(self, event: BatchEvent) -> None:
        """Poll more often while events of other triggerers' jobs arrive here, because ours may arrive there."""
        if event.known_name in SETTLING_EVENTS and event.job_id not in self._finished:
            self._wake_if(self._schedule.on_foreign_event(_now()))

    def _measure(self, event: BatchEvent, now: float) -> None:
        if not self._received.add(hash(event.identity)):
            self.metrics.count("events.duplicate")
            return
        if event.time is not None:
            self.metrics.time("lag.event", max(0.0, now - event.time.timestamp()))

    def _on_health(self, is_readable: bool) -> None:
        # An empty receive may have moved the clock: the events that come next are to be believed by then.
        self._note_clock()
        self._wake_if(self._schedule.on_health(is_readable, _now()))

    # What the poller reports.

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Take what a poll has told about a job, and plan its next one."""
        self._note_clock()
        self.registry.on_poll(job_id, state, self.clock.latest())
        if job_id in self.registry:
            self._schedule.on_poll(
                job_id,
                interval=self.registry.reconcile_interval(job_id),
                is_missing=self.registry.is_missing(job_id),
                now=_now(),
            )

    def on_refusal(self, job_id: str, reason: str) -> None:
        """Take the API's refusal to read this as a job id, and ask again until that is confirmed."""
        self._note_clock()
        self.registry.on_refusal(job_id, reason, self.clock.latest())
        self._schedule.on_refusal(job_id, _now())

    def _note_clock(self) -> None:
        """Let the waits forget the times they know when the clock has jumped, and poll where their jobs are."""
        if self.clock.jumps == self._jumps:
            return
        self._jumps = self.clock.jumps
        log.warning(
            "The cloud's time, as its answers tell it to %s, has jumped; the waits poll the API again", self.name
        )
        self.registry.on_clock_jump()
        self._wake_if(self._schedule.on_clock_jump(_now()))

    def _poll_now(self, job_ids: Iterable[str]) -> None:
        self._wake_if(self._schedule.ask(job_ids, _now()))

    def _wake_if(self, is_sooner: bool) -> None:
        if is_sooner:
            self._poller.wake()


def _now() -> float:
    return asyncio.get_running_loop().time()
