# SPDX-License-Identifier: Apache-2.0
"""
Look at the API for jobs that are waited for: ids in, batched DescribeJobs out, at a pace the account can bear.

Ids that are asked for within a fraction of a second share one call of up to 100, and it takes along those whose time
comes soon. DescribeJobs may be limited to 2 calls a second for the whole account (API page 599/30660 says 10, the
international one 2), so the pace halves whenever the API complains and recovers slowly. The loop ends only when it is
cancelled, or when the keys are refused before anything was read; a look that failed is repeated, later.

What could not be read is no fact. An id that makes the API refuse a call is found by halving and asked for alone from
then on, and so is one that makes calls fail while others are answered. One about which an answer says nothing that can
be read is asked for again, later and in smaller and smaller company, so that it costs the others nothing.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from airflow_batch_events.dispatch.call_bound import CallBound
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.supervision import Isolation
from airflow_batch_events.exceptions import ApiCredentialsError, ApiParameterError, ApiThrottledError
from airflow_batch_events.limits import DESCRIBE_JOBS_RATE, MAX_IDS
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.apis.id_batches import IdBatches
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

COALESCE = 0.1
"""Seconds for which a look waits for more ids to share its call."""

AHEAD = 60.0
"""Seconds by which a look may come before its time to share a call that is made anyway; else jitter scatters them."""

MAX_PAUSE = 30.0
"""Seconds between tries at the most while the API, or what it says about a job, cannot be read."""

WARN_EVERY = 60.0
"""Seconds between two warnings about answers that cannot be read."""


DescribeJobs = Callable[[Sequence[str]], Coroutine[Any, Any, JobStates]]


class PollListener(Protocol):
    """Who wants to know what the looks brought."""

    def wants(self, job_id: str) -> bool:
        """Whether anybody still waits for the job."""

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Take the job's state, or None when the API does not know the job."""

    def on_refusal(self, job_id: str, reason: str) -> None:
        """Take the API's refusal to read this as a job id."""


class AdaptiveRate:
    """
    Calls a second that this process allows itself: fewer after a complaint, a little more after each success.

    :param most: The most that it recovers to.
    :param least: The least that complaints bring it to.
    :param start: Where it starts; by default at the most.
    :param gain: Calls a second that a success adds.
    :param careful_gain: The same after the first complaint, when the limit is about known; by default no less.
    :param loss: What a complaint leaves of the rate.
    """

    def __init__(
        self,
        most: float = DESCRIBE_JOBS_RATE,
        least: float = 0.5,
        *,
        start: float | None = None,
        gain: float = 0.1,
        careful_gain: float | None = None,
        loss: float = 0.5,
    ) -> None:
        self.rate = most if start is None else start
        self._most = most
        self._least = least
        self._gain = gain
        self._careful_gain = gain if careful_gain is None else careful_gain
        self._loss = loss

    def throttled(self) -> None:
        """Slow down."""
        self.rate = max(self._least, self.rate * self._loss)
        self._gain = self._careful_gain

    def succeeded(self) -> None:
        """Recover a little."""
        self.rate = min(self._most, self.rate + self._gain)


class Reconciler:
    """
    Keep the times at which jobs are to be looked at, and look.

    :param name: What log lines call those who wait: their queue and connection.
    :param describe: One DescribeJobs call for up to 100 ids; without retries of its own.
    :param listener: Receives what the looks bring.
    :param metrics: Where counts go.
    :param isolation: Keeps what the listener raises about one job from the others.
    :param pace: The calls a second that are allowed.
    """

    def __init__(
        self,
        name: str,
        describe: DescribeJobs,
        listener: PollListener,
        metrics: Metrics,
        isolation: Isolation,
        pace: AdaptiveRate | None = None,
    ) -> None:
        self._name = name
        self._describe = describe
        self._listener = listener
        self._metrics = metrics
        self._isolation = isolation
        self._pace = pace or AdaptiveRate()
        self._bound = CallBound()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._changed = asyncio.Event()
        self._has_read = False
        self._failures = 0
        self._company: dict[str, int] = {}
        self._unread: dict[str, int] = {}
        self._warned_at = float("-inf")

    def ask(self, job_id: str, delay: float = 0.0) -> None:
        """Look at the job in ``delay`` seconds, or when it was due before, whichever is earlier."""
        due = asyncio.get_running_loop().time() + delay
        if due < self._due.get(job_id, float("inf")):
            self._due[job_id] = due
            heapq.heappush(self._heap, (due, job_id))
            self._changed.set()

    def forget(self, job_id: str) -> None:
        """Do not look at the job any more."""
        for times in (self._due, self._company, self._unread):
            times.pop(job_id, None)

    async def run(self) -> None:
        """
        Look at jobs as they become due, until cancelled.

        :raises ApiCredentialsError: When the keys are refused before anything was read.
        """
        while True:
            await self._until_due()
            batches = IdBatches(self._take_due(), self._company)
            try:
                await self._ask_all(batches)
            finally:
                self._ask_again(batches.left)

    async def _ask_all(self, batches: IdBatches) -> None:
        loop = asyncio.get_running_loop()
        while (batch := batches.take()) is not None:
            began = loop.time()
            pause = 0.0
            try:
                await self._poll(batch, batches)
            except ApiThrottledError as error:
                self._count_error(error)
                self._pace.throttled()
                self._ask_again(batch)
            except Exception as error:
                # A call that has failed once is repeated as it is; after that, or where others are answered, one of its
                # jobs may be to blame.
                is_doubted = batches.is_answered or self._failures > 0 or isinstance(error, ApiCredentialsError)
                goes_on = is_doubted and batches.failed(batch)
                if isinstance(error, ApiCredentialsError) and not self._has_read and not goes_on:
                    raise
                if len(batch) == 1:
                    self._ask_alone(batch, batches.is_answered)
                elif not is_doubted:
                    self._ask_again(batch)
                if goes_on:
                    self._count_error(error)
                else:
                    pause = self._note_failure(error)
            await asyncio.sleep(max(pause, began + 1.0 / self._pace.rate - loop.time()))
            if pause:
                return

    def _ask_alone(self, batch: list[str], is_answered: bool) -> None:
        """Ask again for a job whose own call has failed: later, and alone from now on, if the others are answered."""
        if is_answered or batch[0] in self._company:
            self._poll_again_at(batch)
        else:
            self._ask_again(batch)

    def _note_success(self) -> None:
        self._has_read = True
        self._pace.succeeded()
        if self._failures:
            log.info("Looking at Batch jobs for %s again after %d failed tries", self._name, self._failures)
        self._failures = 0

    def _note_failure(self, error: Exception) -> float:
        """Return the seconds until the next try."""
        self._count_error(error)
        self._failures += 1
        pause = min(MAX_PAUSE, 2.0 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)
        if self._failures == 1 or self._failures % 10 == 0:
            log.warning(
                "Cannot look at Batch jobs for %s (try %d, next in %.0f s): %s",
                self._name,
                self._failures,
                pause,
                printable(error, MAX_TEXT),
            )
        return pause

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
                heapq.heappop(self._heap)
            delay = self._heap[0][0] - loop.time() if self._heap else None
            if delay is not None and delay <= 0:
                break
            try:
                await asyncio.wait_for(self._changed.wait(), delay)
            except asyncio.TimeoutError:
                break
        if len(self._due) < MAX_IDS or self._count_due() < MAX_IDS:
            await asyncio.sleep(COALESCE)

    def _count_due(self) -> int:
        now = asyncio.get_running_loop().time()
        return sum(due <= now for due in self._due.values())

    def _take_due(self) -> list[str]:
        latest = asyncio.get_running_loop().time() + AHEAD
        ids: list[str] = []
        while self._heap and len(ids) < MAX_IDS and self._heap[0][0] <= latest:
            due, job_id = heapq.heappop(self._heap)
            if self._due.get(job_id) == due:
                del self._due[job_id]
                ids.append(job_id)
        return ids

    async def _poll(self, batch: list[str], batches: IdBatches) -> None:
        self._metrics.count("api.calls", action="DescribeJobs")
        self._metrics.count("polls", len(batch))
        try:
            answer = await self._bound.call(self._describe(batch))
        except ApiParameterError as error:
            refused = batches.refused(batch)
            if refused is not None:
                if self._listener.wants(refused):
                    self._company[refused] = 1
                self._count_error(error)
                reason = f"{error.code}: {error.message}"
                self._tell(refused, partial(self._listener.on_refusal, refused, reason))
            return
        unread = answer.unread(batch)
        for job_id in batch:
            if job_id in answer.states or answer.is_complete:
                self._company.pop(job_id, None)
                self._unread.pop(job_id, None)
                self._tell(job_id, partial(self._listener.on_poll, job_id, answer.states.get(job_id)))
        if unread:
            self._metrics.count("api.errors", action="DescribeJobs", error="Unreadable")
            self._poll_again_at(unread)
        if len(unread) < len(batch):
            batches.is_answered = True
            self._note_success()

    def _tell(self, job_id: str, tell: Callable[[], None]) -> None:
        with self._isolation.of("look at job", job_id):
            tell()
            return
        self.ask(job_id, MAX_PAUSE)

    def _poll_again_at(self, unread: list[str]) -> None:
        for job_id in unread:
            if self._listener.wants(job_id):
                self._company[job_id] = max(1, len(unread) // 2)
                self._unread[job_id] = self._unread.get(job_id, 0) + 1
                self.ask(job_id, min(MAX_PAUSE, 2.0 ** min(self._unread[job_id], 10)) * random.uniform(0.5, 1.0))
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            log.warning(
                "The API tells %s nothing that can be read about %d jobs, %s among them; they are looked at again",
                self._name,
                len(unread),
                unread[0],
            )

    def _count_error(self, error: Exception) -> None:
        self._metrics.count("api.errors", action="DescribeJobs", error=type(error).__name__)

    def _ask_again(self, ids: Sequence[str]) -> None:
        for job_id in ids:
            if self._listener.wants(job_id):
                self.ask(job_id)
