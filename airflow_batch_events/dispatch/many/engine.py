# SPDX-License-Identifier: Apache-2.0
"""
Run many jobs of one task: submit them as fast as the account allows, wait for all by event, end them.

What to do next is decided by :class:`~airflow_batch_events.events.many.run.JobsRun`; here the calls are made. The rules
that must not be relaxed: nothing blocks the loop, which thousands of other waits share; and an engine that is cut off
at any moment and begins anew from what was stored submits no job twice, because each is asked for under the same token.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_batch_events.dispatch.consumer import Consumer
from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.many.call_loop import CallLoop
from airflow_batch_events.dispatch.many.failure_reader import FailureReader, ReadFailure
from airflow_batch_events.dispatch.many.job_deleter import JobDeleter
from airflow_batch_events.dispatch.many.note_keeper import NoteKeeper, SaveNotes
from airflow_batch_events.dispatch.many.open_wait import OpenWait
from airflow_batch_events.events.many.progress import Progress
from airflow_batch_events.events.many.run import JobsRun
from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, TIMEOUT
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiInUseError,
    ApiNotFoundError,
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiServerError,
    ApiThrottledError,
    BatchEventsError,
    ConfigurationError,
    CredentialsError,
    TransportError,
)
from airflow_batch_events.limits import SUBMIT_JOB_RATE
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

SUBMISSIONS = 40
"""SubmitJob calls under way at once at the most."""

QUOTA_PAUSE = 2.0
"""Seconds after which a submission is tried again that the account had no room for."""

GIVE_UP_AFTER = 600.0
"""Seconds without any success, while calls fail and no job runs that could end, after which the run fails."""

TIDY_BOUND = 120.0
"""
Seconds without progress that reading, storing and deleting may take when all jobs have ended; what is left is kept.
"""

END_BOUND = 180.0
"""Seconds for which a run that was stopped waits for the jobs that it has ended."""

FIND_TRIES = 10
"""Times that a killed task asks for a job that may have been submitted, while the rate limit turns it away."""

FIND_PAUSE = 1.5
"""Seconds between these."""

DRIFT = 2.0
"""Seconds by which an event of a new job may be dated before the call that has submitted it."""

TIMED_OUT = "the task's time was over before all jobs had ended"

_NEVER_TAKEN = (ApiParameterError, ApiNotFoundError, ApiRefusedError, ApiInUseError)
"""Of SubmitJob: this description is not taken, however often it is sent."""


@dataclass(frozen=True)
class ManyJobsApi:
    """
    What a run needs of the API; no call retries by itself, and each has its bound.

    :param submit: Submits a job with a client token, and returns its id.
    :param delete: Deletes a job.
    :param end: Ends jobs at the pace that the API allows, and says what became of each.
    :param read: Says why a job has failed that ended in a state.
    """

    submit: Callable[[Mapping[str, Any], str], Coroutine[Any, Any, str]]
    delete: Callable[[str], Coroutine[Any, Any, None]]
    end: Callable[[Sequence[str]], Coroutine[Any, Any, Sequence[str]]]
    read: ReadFailure


class JobsEngine:
    """
    Run many jobs to their end; for one event loop.

    :param run: What to do next, from where an earlier process has come.
    :param descriptions: The jobs, each as the text of a JSON object.
    :param token: Returns the client token of a job by its place in the list and the number of its submission.
    :param api: The API.
    :param consumer: Waits for the jobs.
    :param save: Stores notes; what it raises is tried again.
    :param say: Takes a line for the task's log.
    :param reconcile_interval: Seconds between polls at the most, while events can be read.
    """

    def __init__(
        self,
        run: JobsRun,
        descriptions: Sequence[str],
        token: Callable[[int, int], str],
        api: ManyJobsApi,
        consumer: Consumer,
        save: SaveNotes,
        say: Callable[[str], None] = log.info,
        reconcile_interval: float = RECONCILE_INTERVAL,
    ) -> None:
        self._run = run
        self._descriptions = descriptions
        self._token = token
        self._api = api
        self._consumer = consumer
        self._notes = NoteKeeper(run, save, self._note_change)
        self._say = say
        self._reconcile_interval = reconcile_interval
        now = self._now()
        self._progress = Progress(run.counts, now)
        self._progressed_at = now
        self._warned_at = float("-inf")
        self._changed = asyncio.Event()
        self._wait: OpenWait | None = None
        self._is_timed_out = False
        self._ends_rest = True
        self._endings: set[asyncio.Future[Sequence[str]]] = set()
        self._asked_to_end: set[str] = set()
        self._since: dict[int, float | None] = {}
        self._submitting: CallLoop[int, str] = CallLoop(
            "SubmitJob",
            SUBMIT_JOB_RATE,
            SUBMISSIONS,
            take=run.take_next,
            call=self._submit,
            on_result=self._on_submitted,
            on_error=self._on_submit_error,
            again=run.put_back,
            metrics=consumer.metrics,
        )
        self._deleter = JobDeleter(run, api.delete, say, self._note_change, consumer.metrics)
        self._reader = FailureReader(run, api.read, say, self._note_change, consumer.metrics)
        self._failure: BatchEventsError | None = None

    async def finish(self, deadline: Deadline = Deadline(), *, ends_on_timeout: bool = True) -> None:  # noqa: B008
        """
        Run until every job has ended, the rules say that it is enough, or the time is over.

        :param deadline: When the time is over.
        :param ends_on_timeout: Whether the jobs that run then are ended.
        :raises BatchEventsError: When the queue, the keys or the API make it impossible; the jobs run on.
        """
        self._say(self._progress.text(self._run.counts, self._now()))
        with self._consumer.open_wait(reconcile_interval=self._reconcile_interval) as self._wait:
            for job_id in self._run.running_ids:
                self._consumer.wait_also(self._wait, job_id)
            loops: list[Coroutine[Any, Any, None]] = [
                self._submitting.run(),
                self._deleter.run(),
                self._reader.run(),
                self._listen(self._wait),
                self._notes.run(),
            ]
            if deadline.is_set:
                loops.append(self._keep_time(self._wait, deadline, ends_on_timeout=ends_on_timeout))
            tasks = [asyncio.ensure_future(loop) for loop in loops]
            try:
                await self._until_over(tasks)
                if self._endings:
                    await asyncio.wait(self._endings)
                await self._until_tidy(tasks)
            finally:
                work: list[asyncio.Future[Any]] = [*tasks, *self._endings]
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        await self._notes.store_rest()
        self._say(self._progress.text(self._run.counts, self._now()))

    async def end_all(self, api: ManyJobsApi) -> list[str]:
        """
        End every job, because the task was ended; for an engine that does not run any more.

        :param api: The API; that of the run is closed.
        :return: What became of each, in words.
        """
        self._api = api
        self._run.stop("the task was ended")
        # What was under way may be a job or not: under its token the API tells.
        await asyncio.gather(*map(self._find, self._run.submitting))
        return list(await self._api.end(self._run.running_ids))

    async def _find(self, index: int) -> None:
        for tries_left in reversed(range(FIND_TRIES)):
            try:
                self._run.on_submitted(index, await self._submit(index))
                return
            except Exception as error:  # noqa: BLE001 - it belongs to this job
                if not isinstance(error, ApiThrottledError) or not tries_left:
                    self._say(f"jobs[{index}] may have been submitted, and was not found: {printable(error, MAX_TEXT)}")
                    return
            await asyncio.sleep(FIND_PAUSE)

    # What is waited for.

    async def _until_over(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        stopped_at: float | None = None
        while not self._run.is_over:
            self._changed.clear()
            await self._look_after(tasks)
            if self._run.stopped is not None and not self._is_timed_out:
                stopped_at = self._now() if stopped_at is None else stopped_at
                self._end_rest()
                if self._now() - stopped_at > END_BOUND:
                    for job_id in self._run.running_ids:
                        self._run.on_outcome(job_id, TIMEOUT, "it was asked to end, and has not in time")
            line = self._progress.line(self._run.counts, self._now())
            if line is not None:
                self._say(line)

    async def _until_tidy(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        run, ends = self._run, self._now() + TIDY_BOUND
        left = run.deletions_left + run.readings_left
        while left and self._now() < ends:
            self._changed.clear()
            await self._look_after(tasks)
            if run.deletions_left + run.readings_left < left:
                ends = self._now() + TIDY_BOUND
            left = run.deletions_left + run.readings_left
        if run.deletions_left:
            self._say(f"{run.deletions_left} jobs that have ended were not deleted")

    async def _look_after(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        """Wait until something has happened, a second at the most; raise what has ended a loop."""
        changed = asyncio.ensure_future(self._changed.wait())
        waits: list[asyncio.Future[Any]] = [changed, *tasks]
        try:
            await asyncio.wait(waits, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        for task in tasks:
            if task.done():
                task.result()
        if self._failure is not None:
            raise self._failure
        self._check_progress()

    def _check_progress(self) -> None:
        error = self._submitting.last_error
        counts = self._run.counts
        if error is None or counts.running or self._run.deletions_left:
            self._progressed_at = self._now()
        elif self._now() - self._progressed_at > GIVE_UP_AFTER:
            raise error if isinstance(error, BatchEventsError) else BatchEventsError(repr(error))

    async def _listen(self, wait: OpenWait) -> None:
        while True:
            for outcome in await wait.settled():
                self._progress.ended_by[outcome.source] += 1
                was_ended = outcome.job_id in self._asked_to_end
                self._run.on_outcome(outcome.job_id, outcome.state, outcome.reason, was_ended=was_ended)
            self._note_change()

    async def _keep_time(self, wait: OpenWait, deadline: Deadline, *, ends_on_timeout: bool) -> None:
        await self._consumer.keep_deadline(wait, deadline)
        if not wait.done.done():
            # Before the loop hears of it, so that nothing is submitted in place of what has timed out.
            self._run.stop(TIMED_OUT)
            self._is_timed_out = True
            if ends_on_timeout:
                self._end_rest()
            self._ends_rest = ends_on_timeout
        await asyncio.Event().wait()

    def _end_rest(self) -> None:
        """End what runs; the API is asked once for each job."""
        ids = [job_id for job_id in self._run.running_ids if job_id not in self._asked_to_end]
        if ids:
            self._say(f"{self._run.stopped}: {len(ids)} jobs that run are ended")
            self._end(ids)

    def _end(self, ids: Sequence[str]) -> None:
        self._asked_to_end.update(ids)
        self._endings.add(asyncio.ensure_future(self._api.end(ids)))

    def _note_change(self) -> None:
        # The run itself is looked at each second, and when there is something to decide.
        if self._run.is_over or self._run.stopped is not None or self._failure is not None:
            self._changed.set()
        self._submitting.wake()
        self._deleter.wake()
        self._reader.wake()

    # Submitting.

    async def _submit(self, index: int) -> str:
        clock = self._consumer.clock
        known = clock.known_now()
        self._since[index] = None if known is None else known - DRIFT
        job = json.loads(self._descriptions[index])
        return await self._api.submit(job, self._token(index, self._run.items[index].number))

    def _on_submitted(self, index: int, job_id: str) -> None:
        since = self._since.pop(index, None)
        if not self._run.on_submitted(index, job_id) or self._wait is None:
            return
        if self._is_timed_out:
            self._run.on_outcome(job_id, TIMEOUT, TIMED_OUT)
            if self._ends_rest:
                self._end([job_id])
            return
        is_new = not self._run.items[index].may_be_earlier
        self._consumer.wait_also(self._wait, job_id, since=since if is_new else None)

    def _on_submit_error(self, index: int, error: Exception) -> bool:
        self._since.pop(index, None)
        if isinstance(error, _NEVER_TAKEN):
            self._run.on_refused(index, str(error))
            self._note_change()
            return False
        if isinstance(error, ApiQuotaError):
            self._run.put_back(index)
            self._on_full(error)
            return False
        self._run.put_back_unsure(index)
        is_foreseen = isinstance(error, TransportError | ApiServerError)
        if isinstance(error, ConfigurationError | CredentialsError | ApiCredentialsError) and self._is_first_contact:
            self._failure = error
            self._note_change()
        elif not is_foreseen and not isinstance(error, BatchEventsError):
            log.error("jobs[%d] could not be submitted", index, exc_info=error)
        return True

    @property
    def _is_first_contact(self) -> bool:
        return self._run.counts.submitted == 0

    def _on_full(self, error: ApiQuotaError) -> None:
        """Wait until the account has room, which own jobs make, or other tasks'."""
        self._submitting.last_error = error
        self._submitting.pause(QUOTA_PAUSE)
        now = self._now()
        if now - self._warned_at >= 60.0:
            self._warned_at = now
            counts = self._run.counts
            self._say(
                f"The account has no room for further jobs; {counts.running} of this task run. It is tried again as "
                f"jobs end; on_finish_action and BatchDeleteJobOperator make room: {printable(error, 500)}"
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
