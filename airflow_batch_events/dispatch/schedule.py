# SPDX-License-Identifier: Apache-2.0
"""
Decide how long a job may wait for its next look at the API; pure.

Events end a wait, looks make up for those that were lost. So the looks are seldom while events can be trusted to come,
and far more frequent while they cannot: because the queue cannot be read, or another triggerer may read our events.
"""

from __future__ import annotations

import math

from airflow_batch_events.limits import MAX_IDS

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


class PollSchedule:
    """What is known of the queue, as far as it decides how often the API is looked at."""

    def __init__(self) -> None:
        self._is_readable = True
        self._shared_until = float("-inf")

    def on_health(self, is_readable: bool) -> float | None:
        """Take whether the queue can be read; return the seconds within which all jobs are to be looked at, if so."""
        was_readable, self._is_readable = self._is_readable, is_readable
        return DEGRADED_INTERVAL if was_readable and not is_readable else None

    def on_foreign_event(self, now: float) -> float | None:
        """Take a sign of another triggerer; return the seconds within which all jobs are to be looked at, if so."""
        was_shared, self._shared_until = self._shared_until >= now, now + SHARED_FOR
        return None if was_shared else SHARED_INTERVAL

    def interval(self, asked_for: float, *, jobs: int, has_queue: bool, is_missing: bool, now: float) -> float:
        """
        Return the seconds until a job's next look at the most.

        :param asked_for: The shortest interval that a wait for the job asks for, in seconds.
        :param jobs: How many jobs are waited for.
        :param has_queue: Whether there is a queue to read.
        :param is_missing: Whether the API does not know the job.
        :param now: Seconds of a clock that never steps.
        """
        limits = [asked_for]
        if has_queue:
            # A call for a hundred jobs now and then costs a tenth of what the long polls cost; as long as one is enough
            # for all waits, an event that another triggerer has taken costs them no more than this.
            limits.append(CALL_INTERVAL * math.ceil(jobs / MAX_IDS))
        if not self._is_readable:
            limits.append(DEGRADED_INTERVAL)
        if self._shared_until > now:
            limits.append(SHARED_INTERVAL)
        if is_missing:
            limits.append(MISSING_INTERVAL)
        return min(limits)
