# SPDX-License-Identifier: Apache-2.0
"""
Decide what to do next about many jobs of one task; pure.

:class:`JobsRun` is told what SubmitJob, events, polls and DeleteJob have brought, and says which job to submit next,
which one to read because it has failed, which one may be deleted, what has to be stored, and when the run is over. It
makes no call and has no clock.

The rules that must not be relaxed: an outcome is stored before its job is deleted, because the client token of a job
that is gone would submit it a second time; a failed job that is to be read is read before it is deleted; a job keeps
its submission number until its outcome is known, so that a process that begins anew asks for the same job; and one that
may have been submitted is asked for until its id is known, also by a run that was stopped. Only what a process has
submitted in the second before it was killed, and what the next one is not to submit any more, runs on to its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.items import CHUNK, Item, pack_items
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.outcome import REFUSED
from airflow_batch_events.events.outcomes.failure import Cause
from airflow_batch_events.text import printable

NOT_SUBMITTED = "NOT_SUBMITTED"
"""The state in the outcome of a job that was not submitted, because the run had ended before."""

STILL_RUNNING = "RUNNING"
"""The state in the outcome of a job that nobody waits for any more."""

MAX_REASON = 300
"""Characters of a reason that are noted."""

MAX_READ = 100
"""Failed jobs of a task that are read to tell why, those that fail first; each takes three calls or more."""

_SUCCEEDED = JobState.SUCCEED.value
_FAILED = (JobState.FAILED.value, JobState.FAILED_INTERRUPTED.value)


class RunCounts(NamedTuple):
    """
    How far a run has come.

    :param submitted: Jobs that have an id or have ended.
    :param running: Of these, those that have not ended.
    """

    total: int
    submitted: int
    running: int
    succeeded: int
    failed: int

    @property
    def ended(self) -> int:
        """Jobs that have ended."""
        return self.succeeded + self.failed


class Save(NamedTuple):
    """
    What has to be stored.

    :param chunk: The number of the chunk.
    :param text: Its notes, packed.
    :param ended: The jobs in it that may be deleted once it is stored.
    """

    chunk: int
    text: str
    ended: tuple[int, ...]


class JobsRun:
    """
    Many jobs on their way.

    :param items: What is noted of each, in the order of the descriptions; changed in place.
    :param rules: How many run at once, how many may fail, what becomes of the rest.
    """

    def __init__(self, items: list[Item], rules: RunRules) -> None:
        self.items = items
        self.rules = rules
        self.stopped: str | None = None
        """Why nothing more is submitted; None as long as it is."""
        self._waiting: deque[int] = deque()
        self._unsure: deque[int] = deque()
        self._doubted: set[int] = set()
        self._submitting: set[int] = set()
        self._running: dict[str, int] = {}
        self._unsaved: set[int] = set()
        self._unread: deque[int] = deque()
        self._reading: set[int] = set()
        known = (item.facts for item in items if item.facts is not None)
        self._reads_left = MAX_READ - sum(facts.cause != Cause.TERMINATED.value for facts in known)
        self._to_delete: deque[int] = deque()
        self._deleting: set[int] = set()
        self._changed: set[int] = set()
        self._succeeded = self._failed = 0
        for index, item in enumerate(items):
            if item.state is not None:
                self._count(item.state)
                if not item.is_deleted and not self._plan_reading(item, index) and self._is_to_be_deleted(item):
                    self._to_delete.append(index)
            elif item.job_id is not None:
                self._running[item.job_id] = index
            else:
                self._waiting.append(index)
        self._check_failures()

    # What to do.

    @property
    def counts(self) -> RunCounts:
        """How far it has come."""
        submitted = len(self.items) - len(self._waiting) - len(self._unsure) - len(self._submitting)
        return RunCounts(len(self.items), submitted, len(self._running), self._succeeded, self._failed)

    @property
    def running_ids(self) -> list[str]:
        """The jobs that have not ended."""
        return list(self._running)

    @property
    def submitting(self) -> list[int]:
        """The jobs for which SubmitJob was called in this process, and which may have been submitted or not."""
        return sorted({*self._submitting, *self._unsure})

    @property
    def may_submit(self) -> bool:
        """Whether a job may be submitted now."""
        occupied = len(self._submitting) + len(self._running) + self.deletions_left
        has_next = bool(self._unsure) or (bool(self._waiting) and self.stopped is None)
        return has_next and occupied < self.rules.max_active

    @property
    def deletions_left(self) -> int:
        """Jobs that have ended and are not deleted yet."""
        unread = sum(self._is_to_be_deleted(self.items[index]) for index in (*self._unread, *self._reading))
        return unread + len(self._unsaved) + len(self._to_delete) + len(self._deleting)

    @property
    def readings_left(self) -> int:
        """Failed jobs that are to be read."""
        return len(self._unread) + len(self._reading)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to submit and to wait for."""
        return not (self._submitting or self._unsure or self._running or (self._waiting and self.stopped is None))

    def take_next(self) -> int | None:
        """Return the job to submit next, for which the caller calls SubmitJob; None when none may be."""
        if not self.may_submit:
            return None
        index = self._unsure.popleft() if self._unsure else self._waiting.popleft()
        self._submitting.add(index)
        return index

    def take_unread(self) -> int | None:
        """Return a failed job to read, for which the caller asks the API; None when there is none."""
        if not self._unread:
            return None
        index = self._unread.popleft()
        self._reading.add(index)
        return index

    def take_deletable(self) -> int | None:
        """Return a job to delete, whose outcome is stored; None when there is none."""
        if not self._to_delete:
            return None
        index = self._to_delete.popleft()
        self._deleting.add(index)
        return index

    def take_unsaved(self) -> list[Save]:
        """Return what has changed since it was stored last; the caller says for each whether it is stored now."""
        changed, self._changed = sorted(self._changed), set()
        return [self._save_of(chunk) for chunk in changed]

    # What has happened.

    def on_submitted(self, index: int, job_id: str) -> bool:
        """
        Take SubmitJob's answer.

        :return: Whether there is a job to wait for now.
        """
        self._submitting.discard(index)
        other = self._running.get(job_id)
        if other is not None:
            self._end(index, REFUSED, f"the API has answered with the job of number {other}")
            return False
        self.items[index].job_id = job_id
        self._running[job_id] = index
        self._changed.add(index // CHUNK)
        return True

    def on_refused(self, index: int, reason: str) -> None:
        """Take that the API will never take this job."""
        self._submitting.discard(index)
        self._end(index, REFUSED, reason)

    def put_back(self, index: int) -> None:
        """Take that the call has not submitted the job; it is submitted later."""
        self._submitting.discard(index)
        (self._unsure if index in self._doubted else self._waiting).appendleft(index)

    def put_back_unsure(self, index: int) -> None:
        """Take that it is not known whether the job was submitted; it is asked for again, whatever happens."""
        self._submitting.discard(index)
        self._doubted.add(index)
        self._unsure.append(index)

    def on_outcome(self, job_id: str, state: str, reason: str | None = None, *, was_ended: bool = False) -> None:
        """
        Take how a job has ended, or why nobody waits for it any more.

        :param job_id: The job.
        :param state: The state in its outcome.
        :param reason: Why, in words.
        :param was_ended: Whether the task itself has asked for its end, so that nobody has to read why it has failed.
        """
        index = self._running.pop(job_id, None)
        if index is None:
            return
        item = self.items[index]
        if was_ended and state in _FAILED:
            item.facts = JobFacts(Cause.TERMINATED.value)
        if state in _FAILED and item.may_be_earlier and self.stopped is None:
            item.number += 1
            item.job_id = None
            self._waiting.append(index)
            self._changed.add(index // CHUNK)
            return
        self._end(index, state, reason)

    def on_read(self, index: int, facts: JobFacts | None, reason: str | None = None) -> None:
        """
        Take why a job has failed.

        :param index: Its place in the list.
        :param facts: What was read; None where nothing could be read, and it is not tried again.
        :param reason: The same in words.
        """
        self._reading.discard(index)
        item = self.items[index]
        if facts is not None:
            item.facts = facts
            item.reason = item.reason if reason is None else printable(reason, MAX_REASON)
            self._changed.add(index // CHUNK)
        self._release(index)

    def put_back_unread(self, index: int) -> None:
        """Take that a job has not been read yet, and has to be asked for again."""
        self._reading.discard(index)
        self._unread.append(index)

    def on_saved(self, save: Save) -> None:
        """Take that notes are stored."""
        for index in save.ended:
            if index in self._unsaved:
                self._unsaved.discard(index)
                self._to_delete.append(index)

    def on_unsaved(self, save: Save) -> None:
        """Take that notes could not be stored; they are unsaved still."""
        self._changed.add(save.chunk)

    def on_deleted(self, index: int) -> None:
        """Take that a job is gone."""
        self._deleting.discard(index)
        self.items[index].is_deleted = True
        self._changed.add(index // CHUNK)

    def put_back_deletable(self, index: int) -> None:
        """Take that a job is not deleted yet, and has to be asked for again."""
        self._deleting.discard(index)
        self._to_delete.append(index)

    def keep(self, index: int) -> None:
        """Take that a job cannot be deleted: it is kept."""
        self._deleting.discard(index)

    def stop(self, reason: str) -> None:
        """Submit nothing more; what has been submitted is still waited for."""
        if self.stopped is None:
            self.stopped = reason

    def _end(self, index: int, state: str, reason: str | None) -> None:
        item = self.items[index]
        item.state, item.reason = state, None if reason is None else printable(reason, MAX_REASON)
        self._count(state)
        self._changed.add(index // CHUNK)
        if not self._plan_reading(item, index):
            self._release(index)
        self._check_failures()

    def _plan_reading(self, item: Item, index: int) -> bool:
        """Plan to read why a job has failed; return whether that has to be read."""
        if item.state not in _FAILED or item.job_id is None or item.facts is not None or self._reads_left <= 0:
            return False
        self._reads_left -= 1
        self._unread.append(index)
        return True

    def _is_to_be_deleted(self, item: Item) -> bool:
        return item.job_id is not None and item.state in self.rules.deleted_states

    def _release(self, index: int) -> None:
        """Let a job be deleted, once its outcome is stored."""
        if self._is_to_be_deleted(self.items[index]):
            self._unsaved.add(index)
            self._changed.add(index // CHUNK)

    def _count(self, state: str) -> None:
        if state == _SUCCEEDED:
            self._succeeded += 1
        else:
            self._failed += 1

    def _check_failures(self) -> None:
        if self._failed > self.rules.max_failures and self.rules.on_failure == "cancel_rest":
            self.stop(f"{self._failed} jobs have failed, and {self.rules.max_failures} may")

    def _save_of(self, chunk: int) -> Save:
        first = chunk * CHUNK
        items: Sequence[Item] = self.items[first : first + CHUNK]
        ended = tuple(index for index in range(first, first + len(items)) if index in self._unsaved)
        return Save(chunk, pack_items(items), ended)
