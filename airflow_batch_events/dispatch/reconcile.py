# SPDX-License-Identifier: Apache-2.0
"""
Look at the API for jobs that are waited for: ids in, batched DescribeJobs out, at a pace the account can bear.

Ids that are asked for within a fraction of a second share one call of up to 100, and it takes along those whose time
comes soon. DescribeJobs may be limited to 2 calls a second for the whole account (API page 599/30660 says 10, the
international one 2), so the pace halves whenever the API complains and recovers slowly. The loop ends only when it is
cancelled, or when the keys are refused before anything was read; a look that failed is repeated, later.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.events.text import MAX_TEXT, printable
from airflow_batch_events.exceptions import ApiCredentialsError, ApiParameterError, ApiThrottledError

log = logging.getLogger(__name__)

MAX_IDS = 100
"""Ids a DescribeJobs call can take."""

COALESCE = 0.1
"""Seconds for which a look waits for more ids to share its call."""

AHEAD = 60.0
"""Seconds by which a look may come before its time to share a call that is made anyway; else jitter scatters them."""

MAX_PAUSE = 30.0
"""Seconds between tries at the most while the API cannot be read."""


class JobView(Protocol):
    """What a look needs to know of a job."""

    @property
    def job_id(self) -> str: ...

    @property
    def state(self) -> str: ...


DescribeJobs = Callable[[Sequence[str]], Awaitable[Sequence[JobView]]]


class LookListener(Protocol):
    """Who wants to know what the looks brought."""

    def wants(self, job_id: str) -> bool:
        """Whether anybody still waits for the job."""

    def on_look(self, job_id: str, state: str | None) -> None:
        """Take the job's state, or None when the API does not know the job."""

    def on_refusal(self, job_id: str, reason: str) -> None:
        """Take the API's refusal to read this as a job id."""


class Pace:
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
        most: float = 10.0,
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

    def complained(self) -> None:
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
    :param pace: The calls a second that are allowed.
    """

    def __init__(
        self, name: str, describe: DescribeJobs, listener: LookListener, metrics: Metrics, pace: Pace | None = None
    ) -> None:
        self._name = name
        self._describe = describe
        self._listener = listener
        self._metrics = metrics
        self._pace = pace or Pace()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._changed = asyncio.Event()
        self._has_read = False

    def ask(self, job_id: str, delay: float = 0.0) -> None:
        """Look at the job in ``delay`` seconds, or when it was due before, whichever is earlier."""
        due = asyncio.get_running_loop().time() + delay
        if due < self._due.get(job_id, float("inf")):
            self._due[job_id] = due
            heapq.heappush(self._heap, (due, job_id))
            self._changed.set()

    def forget(self, job_id: str) -> None:
        """Do not look at the job any more."""
        self._due.pop(job_id, None)

    async def run(self) -> None:
        """
        Look at jobs as they become due, until cancelled.

        :raises ApiCredentialsError: When the keys are refused before anything was read.
        """
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            await self._until_due()
            began = loop.time()
            ids = self._take_due()
            if not ids:
                continue
            pause = 0.0
            try:
                await self._look(ids)
                if failures:
                    log.info("Looking at Batch jobs for %s again after %d failed tries", self._name, failures)
                failures = 0
                self._pace.succeeded()
            except ApiThrottledError as error:
                self._count_error(error)
                self._pace.complained()
                self._ask_again(ids)
            except Exception as error:
                if isinstance(error, ApiCredentialsError) and not self._has_read:
                    raise
                self._count_error(error)
                failures += 1
                pause = min(MAX_PAUSE, 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.0)
                if failures == 1 or failures % 10 == 0:
                    log.warning(
                        "Cannot look at Batch jobs for %s (try %d, next in %.0f s): %s",
                        self._name,
                        failures,
                        pause,
                        printable(error, MAX_TEXT),
                    )
                self._ask_again(ids)
            await asyncio.sleep(max(pause, began + 1.0 / self._pace.rate - loop.time()))

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

    async def _look(self, ids: Sequence[str]) -> None:
        self._metrics.count("api.calls", action="DescribeJobs")
        self._metrics.count("looks", len(ids))
        try:
            views = await self._describe(ids)
        except ApiParameterError as error:
            # One malformed id makes the API refuse the whole call: find it, and let the others have their answer.
            if len(ids) == 1:
                self._listener.on_refusal(ids[0], f"{error.code}: {error.message}")
                return
            middle = len(ids) // 2
            await self._look(ids[:middle])
            await self._look(ids[middle:])
            return
        self._has_read = True
        states = {view.job_id: view.state for view in views}
        for job_id in ids:
            self._listener.on_look(job_id, states.get(job_id))

    def _count_error(self, error: Exception) -> None:
        self._metrics.count("api.errors", action="DescribeJobs", error=type(error).__name__)

    def _ask_again(self, ids: Sequence[str]) -> None:
        for job_id in ids:
            if self._listener.wants(job_id):
                self.ask(job_id)
