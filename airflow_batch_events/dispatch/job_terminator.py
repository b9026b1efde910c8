# SPDX-License-Identifier: Apache-2.0
"""
End many jobs at the pace that the API allows: one queue of jobs, a few requests at once, one poll for a hundred jobs.

TerminateJob takes 10 calls a second of an account, or 2 (API pages 599/30660, 599/30458), and Airflow gives a killed
trigger half a minute; so a thousand jobs cannot all be ended while their triggers wait. The terminator therefore
outlives them: it belongs to the event loop, is shared by all triggers with the same connection, and ends by itself when
its queue is empty, or when the API has taken nothing for :data:`GIVE_UP_AFTER`. A job is asked for until the API has
taken the request, and never again; whatever is left when the loop ends is logged, because nobody will end it. What goes
wrong with one job costs no other job anything, and what could not be read of one says nothing about it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate
from airflow_batch_events.dispatch.loops.call_bound import CallBound
from airflow_batch_events.dispatch.loops.supervision import Isolation, keep_running
from airflow_batch_events.dispatch.metrics import Counts, IsolatedMetrics, Metrics
from airflow_batch_events.dispatch.poller import DescribeJobs
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.termination import ASK_EVERY, BOUND, Termination
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiRefusedError,
    ApiThrottledError,
    BatchEventsError,
    CloudError,
)
from airflow_batch_events.limits import TERMINATE_JOB_RATE
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.apis.id_batches import IdBatches
from airflow_batch_events.protocol.apis.job_poll import poll_jobs, run
from airflow_batch_events.protocol.per_loop import PerLoop

log = logging.getLogger(__name__)

ASKERS = 8
"""Requests under way at once at the most: what a fast pace needs when an answer takes a tenth of a second."""

START_RATE = TERMINATE_JOB_RATE
"""Requests a second to begin with: what the account may have. Where there is more, successes find it out."""

MOST_RATE = 200.0
"""Requests a second at the most."""

POLL_RATE = 2.0
"""Polls a second at the most; the waits that go on need some, too."""

GIVE_UP_AFTER = 600.0
"""Seconds without any request that the API has taken, after which the rest is given up."""

MAX_REFUSALS = 5
"""Refusals of one job, each after a poll that showed that it may be ended, after which it is given up."""

MAX_IDS_IN_LOG = 20
"""Job ids that a log line about many of them shows."""


@dataclass(frozen=True)
class TerminationApi:
    """
    What ending needs of the API; no call retries by itself.

    :param terminate: Asks the API to end a job.
    :param describe: One DescribeJobs call for up to 100 ids.
    """

    terminate: Callable[[str], Coroutine[Any, Any, None]]
    describe: DescribeJobs


OpenTerminationApi = Callable[[], AbstractAsyncContextManager[TerminationApi]]


class _Termination(Termination):
    """A job's ending under way, and who waits for it."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_queued = True
        self.asked_at = 0.0
        self.refusals = 0
        self.waiters = 0


class JobTerminator:
    """
    End jobs, any number of them at once.

    :param open_api: Opens the API; called once, in the terminator's own task.
    :param metrics: Where counts go.
    :param on_closed: Called when there is nothing left to do; then it takes no further job.
    """

    def __init__(
        self, open_api: OpenTerminationApi, metrics: Metrics | None = None, on_closed: Callable[[], None] = lambda: None
    ) -> None:
        self.is_open = True
        self._on_closed = on_closed
        self._open_api = open_api
        self._metrics: Metrics = Counts() if metrics is None else IsolatedMetrics(metrics)
        self._isolation = Isolation(self._metrics)
        self._terminate_bound, self._describe_bound = CallBound(), CallBound()
        self._terminations: dict[str, _Termination] = {}
        self._queue: asyncio.Queue[_Termination] = asyncio.Queue()
        self._refused: dict[str, int] = {}
        self._asking = AdaptiveRate(MOST_RATE, start=START_RATE, gain=0.5, careful_gain=0.05, loss=0.8)
        self._polling = AdaptiveRate(POLL_RATE)
        self._next_turn = float("-inf")
        self._throttled_at = float("-inf")
        self._progressed_at = asyncio.get_running_loop().time()
        self._ended_unwatched = 0
        self._task: asyncio.Task[None] | None = None

    async def end(self, job_id: str, *, bound: float = BOUND) -> str:
        """
        End a job, and wait for a while until it has ended; the terminator goes on with it after that.

        :param job_id: The job; if it is being ended already, this joins.
        :param bound: Seconds for which to wait.
        :return: What became of the job, in words.
        """
        ending = self._terminations.get(job_id)
        if ending is None:
            ending = self._terminations[job_id] = _Termination(job_id)
            self._queue.put_nowait(ending)
            self._start()
        ending.waiters += 1
        try:
            await asyncio.wait([ending.over], timeout=bound)
        finally:
            ending.waiters -= 1
        if ending.is_over or ending.was_asked:
            return ending.report
        return (
            f"job {job_id} will be ended, but not at once: it is one of {len(self._terminations)}, and the API takes "
            f"about {self._asking.rate:.0f} requests a second; this process goes on with it"
        )

    async def finish(self) -> None:
        """Wait until there is nothing left to do; cancelled, it leaves the jobs that are left to run on."""
        if self._task is not None:
            await self._task

    def _start(self) -> None:
        if self._task is None:
            # An empty context, because log lines must not go to the task that happened to be first.
            loop = asyncio.get_running_loop()
            self._task = contextvars.Context().run(loop.create_task, self._run())
            self._task.add_done_callback(lambda _: self._on_closed())

    async def _run(self) -> None:
        reason: object = "the process stops"
        try:
            async with self._open_api() as api:
                await self._work(api)
        except BatchEventsError as error:
            reason = error
        except Exception as error:
            reason = repr(error)
            log.exception("The ending of jobs has failed")
        finally:
            self.is_open = False
            if self._ended_unwatched:
                log.info("%d jobs were ended after their tasks had stopped waiting for it", self._ended_unwatched)
            self._give_up(reason)

    async def _work(self, api: TerminationApi) -> None:
        asking = [keep_running("asker", lambda: self._ask_on(api), self._metrics, ends=()) for _ in range(ASKERS)]
        askers = [asyncio.ensure_future(loop) for loop in asking]
        try:
            while self._terminations:
                await asyncio.sleep(ASK_EVERY)
                with self._isolation.of("poll of jobs that are being ended"):
                    await self._poll(api)
                if asyncio.get_running_loop().time() - self._progressed_at > GIVE_UP_AFTER:
                    self._give_up(f"the API has taken no request for {GIVE_UP_AFTER:.0f} s")
        finally:
            # From here on nobody may add a job, which would never be asked for.
            self.is_open = False
            for asker in askers:
                asker.cancel()
            await asyncio.gather(*askers, return_exceptions=True)

    async def _ask_on(self, api: TerminationApi) -> None:
        while True:
            ending = await self._queue.get()
            if ending.is_over:
                continue
            try:
                await self._ask(api, ending)
            except Exception:
                # The next poll takes it up again.
                ending.is_queued = False
                raise

    async def _ask(self, api: TerminationApi, ending: _Termination) -> None:
        loop = asyncio.get_running_loop()
        began = self._next_turn = max(loop.time(), self._next_turn)
        self._next_turn += self._asking.interval
        await asyncio.sleep(began - loop.time())
        self._metrics.count("api.calls", action="TerminateJob")
        try:
            await self._terminate_bound.call(api.terminate(ending.job_id))
        except ApiThrottledError as error:
            self._count_error("TerminateJob", error)
            # Requests that were under way when the first of them was turned away say nothing new.
            if began >= self._throttled_at:
                self._throttled_at = loop.time()
                self._asking.throttled()
            ending.on_error(error)
            self._queue.put_nowait(ending)
            return
        except Exception as error:
            self._count_error("TerminateJob", error)
            is_foreseen = isinstance(error, CloudError)
            if isinstance(error, CloudError):
                ending.on_error(error)
            else:
                log.exception("Job %s could not be asked to end", ending.job_id)
            ending.refusals += isinstance(error, ApiRefusedError) or not is_foreseen
            if ending.refusals > MAX_REFUSALS:
                ending.give_up(error)
        else:
            self._asking.succeeded()
            ending.on_asked()
            ending.asked_at = self._progressed_at = loop.time()
        if ending.is_over:
            self._close(ending)
        else:
            # A poll tells what became of it: whether it has ended, and if it was refused, whether to ask again.
            ending.is_queued = False

    async def _poll(self, api: TerminationApi) -> None:
        async def describe(ids: list[str]) -> JobStates:
            self._metrics.count("api.calls", action="DescribeJobs")
            return await self._describe_bound.call(api.describe(ids))

        asked = [job_id for job_id, ending in self._terminations.items() if not ending.is_queued]
        await run(poll_jobs(IdBatches(asked, self._refused), self), describe, self._let_go)

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Take what a poll has told; a job that runs on is asked for again."""
        for ending in self._known([job_id]):
            with self._isolation.of("ending of job", job_id):
                ending.on_state(state)
                if not ending.was_asked and not ending.is_over and state != JobState.SUBMITTED.value:
                    ending.is_queued = True
                    self._queue.put_nowait(ending)

    def on_refusal(self, job_id: str, error: ApiParameterError) -> None:
        """Take the API's refusal to read this as a job id: it is polled alone from now on."""
        self._count_error("DescribeJobs", error)
        for ending in self._known([job_id]):
            self._refused[job_id] = 1
            ending.on_error(error)
        self._ask_unread([job_id])

    def on_answer(self, batches: IdBatches, ids: list[str], unread: Sequence[str]) -> bool:
        """Take that a poll was answered; a job about which it tells nothing is asked for again."""
        self._polling.succeeded()
        self._ask_unread(unread)
        return True

    def on_error(self, batches: IdBatches, ids: list[str], error: Exception) -> bool:
        """Take that a poll failed; its jobs are asked for again."""
        if not isinstance(error, CloudError):
            raise error
        self._count_error("DescribeJobs", error)
        if isinstance(error, ApiThrottledError):
            self._polling.throttled()
        self._ask_unread(ids)
        return True

    def _known(self, ids: Sequence[str]) -> list[_Termination]:
        return [self._terminations[job_id] for job_id in ids if job_id in self._terminations]

    def _ask_unread(self, ids: Sequence[str]) -> None:
        """Ask again for jobs about which the API says nothing; those that it refused to end wait until it does."""
        for ending in self._known(ids):
            if not ending.was_asked and not ending.is_over and not ending.refusals:
                ending.is_queued = True
                self._queue.put_nowait(ending)

    async def _let_go(self, ids: list[str]) -> None:
        """Close what is over, or was asked for so long ago that the rest is the cloud's; then keep the pace."""
        now = asyncio.get_running_loop().time()
        for ending in self._known(ids):
            if ending.is_over or (ending.was_asked and now - ending.asked_at > BOUND):
                self._close(ending)
        await asyncio.sleep(self._polling.interval)

    def _close(self, ending: _Termination) -> None:
        del self._terminations[ending.job_id]
        self._refused.pop(ending.job_id, None)
        ending.over.set_result(None)
        if ending.may_still_run and not ending.was_asked:
            log.warning("%s", ending.report)
        elif not ending.waiters:
            self._ended_unwatched += 1

    def _give_up(self, reason: object) -> None:
        left = list(self._terminations.values())
        if not left:
            return
        ids = [ending.job_id for ending in left if not ending.was_asked]
        for ending in left:
            ending.give_up(reason)
            ending.over.set_result(None)
        self._terminations.clear()
        if ids:
            shown = ", ".join(ids[:MAX_IDS_IN_LOG]) + (" and others" if len(ids) > MAX_IDS_IN_LOG else "")
            log.error("%d jobs were not ended and may still run (%s): %s", len(ids), reason, shown)

    def _count_error(self, action: str, error: Exception) -> None:
        self._metrics.count("api.errors", action=action, error=type(error).__name__)


_terminators: PerLoop[Hashable, JobTerminator] = PerLoop()


def shared_terminator(key: Hashable, open_api: OpenTerminationApi, metrics: Metrics | None = None) -> JobTerminator:
    """
    Return the terminator of that key that has jobs to end, or a new one.

    :param key: What two jobs must have in common to be ended by one terminator: the account and the region.
    :param open_api: Opens the API for a new one.
    :param metrics: Where a new one's counts go.
    """

    def create() -> JobTerminator:
        terminator = JobTerminator(open_api, metrics, lambda: _terminators.discard(key, terminator))
        return terminator

    return _terminators.get(key, create, lambda terminator: terminator.is_open)
