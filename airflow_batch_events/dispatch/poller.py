# SPDX-License-Identifier: Apache-2.0
"""
Poll the API for jobs that are waited for: ids in, batched DescribeJobs calls out, at a pace the account can bear.

When an id is polled says the schedule; see ``poll_schedule.py``. Here the calls are made, one after the other.
DescribeJobs may be limited to 2 calls a second for the whole account (API page 599/30660 says 10, the international one
2), so the rate halves whenever the API turns a call away and recovers slowly. The loop ends only when it is cancelled,
or when the keys are refused before anything was read; a poll that failed is repeated, later.

What could not be read is no fact. An id that makes the API refuse a call is found by halving and asked for alone from
then on, and so is one that makes calls fail while others are answered. One about which an answer says nothing that can
be read is asked for again, later and in smaller and smaller company, so that it costs the others nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate
from airflow_batch_events.dispatch.loops.call_bound import CallBound
from airflow_batch_events.dispatch.loops.supervision import Isolation
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.poll_schedule import MAX_PAUSE, PollSchedule
from airflow_batch_events.exceptions import ApiCredentialsError, ApiParameterError, ApiThrottledError
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.apis.id_batches import IdBatches
from airflow_batch_events.protocol.apis.job_poll import poll_jobs, run
from airflow_batch_events.protocol.time_limit import within
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

WARN_EVERY = 60.0
"""Seconds between two warnings about answers that cannot be read."""


DescribeJobs = Callable[[Sequence[str]], Coroutine[Any, Any, JobStates]]


class StateListener(Protocol):
    """Takes what the polls bring about each job, and plans its next one."""

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Take the job's state, or None when the API does not know the job."""

    def on_refusal(self, job_id: str, reason: str) -> None:
        """Take the API's refusal to read this as a job id."""


class Poller:
    """
    Poll the jobs of a schedule.

    :param name: What log lines call those who wait: their queue and connection.
    :param describe: One DescribeJobs call for up to 100 ids; it does not retry.
    :param listener: Takes what the polls bring.
    :param schedule: Says when each job is polled. Who brings a poll forward calls :meth:`wake`.
    :param metrics: Where counts go.
    :param isolation: Keeps what the listener raises about one job from the others.
    """

    def __init__(
        self,
        name: str,
        describe: DescribeJobs,
        listener: StateListener,
        schedule: PollSchedule,
        metrics: Metrics,
        isolation: Isolation,
    ) -> None:
        self._name = name
        self._describe = describe
        self._listener = listener
        self._schedule = schedule
        self._metrics = metrics
        self._isolation = isolation
        self._rate = AdaptiveRate()
        self._bound = CallBound()
        self._changed = asyncio.Event()
        self._has_read = False
        self._asked_at = 0.0
        self._warned_at = float("-inf")

    def wake(self) -> None:
        """Ask the schedule again, because a poll was brought forward."""
        self._changed.set()

    async def run(self) -> None:
        """
        Poll jobs as they become due, until cancelled.

        :raises ApiCredentialsError: When the keys are refused before anything was read.
        """
        while True:
            await self._until_due()
            batches = self._schedule.take(_now())
            try:
                await run(poll_jobs(batches, self), self._call, self._keep_pace)
            finally:
                self._schedule.ask(batches.left, _now())

    async def _until_due(self) -> None:
        while True:
            self._changed.clear()
            due = self._schedule.next_due()
            delay = None if due is None else due - _now()
            if delay is not None and delay <= 0:
                break
            try:
                await within(delay, self._changed.wait())
            except asyncio.TimeoutError:
                break
        await asyncio.sleep(self._schedule.gather_for(_now()))

    async def _call(self, ids: list[str]) -> JobStates:
        self._asked_at = _now()
        self._metrics.count("api.calls", action="DescribeJobs")
        self._metrics.count("polls", len(ids))
        return await self._bound.call(self._describe(ids))

    async def _keep_pace(self, ids: list[str]) -> None:
        await asyncio.sleep(max(0.0, self._asked_at + self._rate.interval - _now()))

    # What a call brought.

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Hand a job's state on."""
        self._tell(job_id, partial(self._listener.on_poll, job_id, state))

    def on_refusal(self, job_id: str, error: ApiParameterError) -> None:
        """Hand the refusal of an id on."""
        self._count_error(error)
        self._tell(job_id, partial(self._listener.on_refusal, job_id, f"{error.code}: {error.message}"))

    def on_answer(self, batches: IdBatches, ids: list[str], unread: Sequence[str]) -> bool:
        """Take that a call was answered, if with nothing that can be read about some jobs; they are polled later."""
        if unread:
            self._metrics.count("api.errors", action="DescribeJobs", error="Unreadable")
            self._put_off(unread)
        if len(unread) < len(ids):
            self._note_success()
        return True

    def on_error(self, batches: IdBatches, ids: list[str], error: Exception) -> bool:
        """Decide by what a call failed with, and by what came before, whether to go on with this poll."""
        schedule = self._schedule
        if isinstance(error, ApiThrottledError):
            self._count_error(error)
            self._rate.throttled()
            schedule.ask(ids, _now())
            return True
        # A call that has failed once is repeated as it is; after that, or where others are answered, one of its jobs
        # may be to blame.
        is_doubted = batches.is_answered or schedule.failures > 0 or isinstance(error, ApiCredentialsError)
        goes_on = is_doubted and batches.failed(ids)
        if isinstance(error, ApiCredentialsError) and not self._has_read and not goes_on:
            raise error
        if len(ids) == 1 and (batches.is_answered or schedule.is_apart(ids[0])):
            # Later, and alone from now on, because others are answered.
            self._put_off(ids)
        elif len(ids) == 1 or not is_doubted:
            schedule.ask(ids, _now())
        self._count_error(error)
        if not goes_on:
            self._note_outage(error)
        return goes_on

    def _put_off(self, ids: Sequence[str]) -> None:
        now = _now()
        self._schedule.on_unread(ids, now)
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            log.warning(
                "The API tells %s nothing that can be read about %d jobs, %s among them; they are polled again",
                self._name,
                len(ids),
                ids[0],
            )

    def _note_success(self) -> None:
        self._has_read = True
        self._rate.succeeded()
        if self._schedule.failures:
            log.info("Polling Batch jobs for %s again after %d failed tries", self._name, self._schedule.failures)
        self._schedule.on_answer()

    def _note_outage(self, error: Exception) -> None:
        pause = self._schedule.on_outage(_now())
        failures = self._schedule.failures
        if failures == 1 or failures % 10 == 0:
            log.warning(
                "Cannot poll Batch jobs for %s (try %d, next in %.0f s): %s",
                self._name,
                failures,
                pause,
                printable(error, MAX_TEXT),
            )

    def _tell(self, job_id: str, tell: Callable[[], None]) -> None:
        with self._isolation.of("poll of job", job_id):
            tell()
            return
        self._schedule.ask([job_id], _now() + MAX_PAUSE)

    def _count_error(self, error: Exception) -> None:
        self._metrics.count("api.errors", action="DescribeJobs", error=type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()
