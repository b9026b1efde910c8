# SPDX-License-Identifier: Apache-2.0
"""
Decide when each job is polled next; pure.

Events end a wait, polls make up for events that were lost. So polls are rare while events can be trusted to come, and
far more frequent while they cannot: because the queue cannot be read, or because another triggerer may read our events.
The schedule is told facts and the time, in seconds of a clock that never steps. It makes no call and has no clock: the
poller asks it for the ids of the next poll and tells it what came of them.

Two rules must not be relaxed: a fact only ever brings a poll forward, and an id whose poll is under way has no time
until it was answered or has failed, so whatever happens to a poll must be told here.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Sequence

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.limits import MAX_IDS
from airflow_batch_events.protocol.apis.id_batches import IdBatches

MIN_INTERVAL = 1.0
"""Seconds between polls for one wait at the least, whatever it asks for: all waits share the account's calls."""

DEGRADED_INTERVAL = 15.0
"""Seconds between polls at the most while the queue cannot be read."""

SHARED_INTERVAL = 30.0
"""Seconds between polls at the most while another triggerer seems to read the queue, too, and may get our events."""

CALL_INTERVAL = 30.0
"""Seconds between two DescribeJobs calls at the most, for another triggerer may read the queue without our knowing."""

SHARED_FOR = 600.0
"""Seconds for which one sign of another triggerer counts."""

MISSING_INTERVAL = 5.0
"""Seconds between polls at the most for a job that the API does not know."""

MAX_PAUSE = 30.0
"""Seconds between tries at the most while the API, or what it says about a job, cannot be read."""

COALESCE = 0.1
"""Seconds for which a poll that is due waits for more ids to share its call."""

AHEAD = 60.0
"""Seconds by which a poll may come early to share a call that is made anyway; else jitter scatters them."""

UNDER_WAY = math.inf
"""The time of an id whose poll was not answered yet."""


class PollSchedule:
    """
    The times at which jobs are polled, and what is known of the queue and the API that decides them.

    Each method that takes a fact which may bring a poll forward returns whether it did.

    :param rng: Scatters polls that would otherwise come at the same time.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self.has_queue = False
        """Whether there is a queue to read at all; without one the waits are only polled."""
        self.failures = 0
        """How often in a row the API could not be read."""
        self._random = rng or random.Random()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._company: dict[str, int] = {}
        self._unread: dict[str, int] = {}
        self._is_readable = True
        self._shared_until = -math.inf
        self._not_before = -math.inf

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._due

    # Which jobs are polled.

    def add(self, job_ids: Iterable[str], now: float) -> bool:
        """Poll these jobs from now on, and at once; those that are known already, too."""
        for job_id in job_ids:
            self._due.setdefault(job_id, UNDER_WAY)
            self._bring_forward(job_id, now)
        return True

    def forget(self, job_id: str) -> None:
        """Do not poll the job any more."""
        self._due.pop(job_id, None)
        self._company.pop(job_id, None)
        self._unread.pop(job_id, None)

    # What is known.

    def ask(self, job_ids: Iterable[str], at: float) -> bool:
        """Poll those of the jobs that are waited for at that time, or when they were due before, if that is earlier."""
        brought = [self._bring_forward(job_id, at) for job_id in job_ids]
        return any(brought)

    def on_health(self, is_readable: bool, now: float) -> bool:
        """Take whether the queue can be read."""
        was_readable, self._is_readable = self._is_readable, is_readable
        return was_readable and not is_readable and self._poll_all_within(DEGRADED_INTERVAL, now)

    def on_foreign_event(self, now: float) -> bool:
        """Take a sign of another triggerer: the event of a job that has no wait here."""
        was_shared, self._shared_until = self._shared_until >= now, now + SHARED_FOR
        return not was_shared and self._poll_all_within(SHARED_INTERVAL, now)

    def on_clock_jump(self, now: float) -> bool:
        """Take that the cloud's clock has jumped, so that no wait knows any more what an event's time means."""
        return self._poll_all_within(COALESCE, now)

    # What came of a poll.

    def on_poll(self, job_id: str, *, interval: float, is_missing: bool, now: float) -> None:
        """
        Take that a poll has told the job's state, and that it is still waited for.

        :param interval: The shortest interval that a wait for the job asks for, in seconds.
        :param is_missing: Whether the API does not know the job.
        :param now: When the answer came.
        """
        self._company.pop(job_id, None)
        self._unread.pop(job_id, None)
        self._bring_forward(job_id, now + self._interval(interval, is_missing, now) * self._random.uniform(0.8, 1.0))

    def on_refusal(self, job_id: str, now: float) -> None:
        """Take that the API refuses to read this as a job id: it is asked for alone, until that is confirmed."""
        if job_id in self._due:
            self._company[job_id] = 1
            self._bring_forward(job_id, now + CONFIRM_INTERVAL)

    def on_unread(self, job_ids: Sequence[str], now: float) -> None:
        """Take that an answer tells nothing about these: they are asked for later, and in half the company."""
        for job_id in job_ids:
            if job_id in self._due:
                self._company[job_id] = max(1, len(job_ids) // 2)
                self._unread[job_id] = self._unread.get(job_id, 0) + 1
                self._bring_forward(job_id, now + self._backoff(self._unread[job_id]))

    def on_answer(self) -> None:
        """Take that the API can be read."""
        self.failures = 0

    def on_outage(self, now: float) -> float:
        """Take that the API cannot be read; return the seconds for which nothing is polled."""
        self.failures += 1
        pause = self._backoff(self.failures)
        self._not_before = now + pause
        return pause

    # When to poll.

    def due(self, job_id: str) -> float | None:
        """Return when the job is polled next; None while its poll is under way, or when nobody waits for it."""
        due = self._due.get(job_id, UNDER_WAY)
        return None if due == UNDER_WAY else max(due, self._not_before)

    def next_due(self) -> float | None:
        """Return when any job is polled next."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return max(self._heap[0][0], self._not_before) if self._heap else None

    def gather_for(self, now: float) -> float:
        """Return the seconds for which a poll that is due waits for others: none when a whole call is due."""
        is_whole = len(self._due) >= MAX_IDS and sum(due <= now for due in self._due.values()) >= MAX_IDS
        return 0.0 if is_whole else COALESCE

    def take(self, now: float) -> IdBatches:
        """Return the calls of the next poll; what is due soon comes along. Their ids are under way from then on."""
        ids: list[str] = []
        while self._heap and len(ids) < MAX_IDS and self._heap[0][0] <= now + AHEAD:
            due, job_id = heapq.heappop(self._heap)
            if self._due.get(job_id) == due:
                self._due[job_id] = UNDER_WAY
                ids.append(job_id)
        return IdBatches(ids, self._company)

    def is_apart(self, job_id: str) -> bool:
        """Whether the id shares a call with few others, or none, because of what has come of an earlier one."""
        return job_id in self._company

    def _interval(self, asked_for: float, is_missing: bool, now: float) -> float:
        limits = [max(MIN_INTERVAL, asked_for)]
        if self.has_queue:
            # A call for a hundred jobs now and then costs a tenth of what the long polls cost; as long as one is enough
            # for all waits, an event that another triggerer has taken costs them no more than this.
            limits.append(CALL_INTERVAL * math.ceil(len(self._due) / MAX_IDS))
        if not self._is_readable:
            limits.append(DEGRADED_INTERVAL)
        if self._shared_until > now:
            limits.append(SHARED_INTERVAL)
        if is_missing:
            limits.append(MISSING_INTERVAL)
        return min(limits)

    def _backoff(self, failures: int) -> float:
        return min(MAX_PAUSE, 2.0 ** min(failures, 10)) * self._random.uniform(0.5, 1.0)

    def _poll_all_within(self, seconds: float, now: float) -> bool:
        for job_id in self._due:
            self._bring_forward(job_id, now + seconds * self._random.random())
        return bool(self._due)

    def _bring_forward(self, job_id: str, at: float) -> bool:
        if at >= self._due.get(job_id, -math.inf):
            return False
        self._due[job_id] = at
        heapq.heappush(self._heap, (at, job_id))
        return True
