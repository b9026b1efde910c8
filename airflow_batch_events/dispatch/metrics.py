# SPDX-License-Identifier: Apache-2.0
"""
What a consumer counts and measures; the caller that makes the consumer says where it goes, and for which queue.

Those of ``jobs`` are no consumer's: they are sent where a task ends, on a worker or in the triggerer.

The names, all below ``tencent_batch.`` where Airflow's stats take them:

==========================  =======  ==============================================================================
``events.received``         counter  messages that a receive brought
``events.dispatched``       counter  events that a wait here took
``events.duplicate``        counter  deliveries of an event that was received before
``events.stale``            counter  events that only caused a poll: old, from the future or another region, without a
                                     time, or contradicting themselves
``events.orphaned``         counter  messages with an event that no wait here takes
``events.unreadable``       counter  messages that are no Batch events
``events.unstorable``       counter  deliveries of messages that cannot be fired, because Airflow cannot store them
``errors``                  counter  single items that have failed, by ``item``: a message, a wait, a callback
``loops.restarted``         counter  loops that ended unforeseen and were started again, by ``loop``
``subscribers.blocked``     counter  times, a minute apart, at which a watcher took no more messages
``lag.event``               timing   from an event's EventTime to its hand-out
``lag.enqueue``             timing   from a message's arrival in the queue to its hand-out
``waits``                   gauge    jobs that are waited for
``polls``                   counter  jobs that the API was asked about
``api.calls``               counter  calls, by ``action``
``api.errors``              counter  calls that failed, by ``action`` and ``error``
``reader.outages``          counter  times at which a queue could not be read any more
``jobs.ended``              counter  jobs whose task has ended, by ``state``, and by ``cause`` where one failed
``jobs.instances``          counter  task instances of those jobs
``jobs.queued``             timing   from a job's creation until its first instance ran
``jobs.running``            timing   from then until the job ended
==========================  =======  ==============================================================================
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from typing import Protocol

log = logging.getLogger(__name__)


class Metrics(Protocol):
    """Where counts and measurements go."""

    def count(self, name: str, amount: int = 1, **tags: str) -> None:
        """Add to a counter."""

    def time(self, name: str, seconds: float) -> None:
        """Take one duration."""

    def level(self, name: str, value: float) -> None:
        """Set a gauge."""


class Counts:
    """Keep the counters and the last gauges, and nothing else; a consumer's default."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.levels: dict[str, float] = {}

    def count(self, name: str, amount: int = 1, **tags: str) -> None:
        """Add to a counter, whatever its tags."""
        self.counters[name] += amount

    def time(self, name: str, seconds: float) -> None:
        """Forget the duration."""

    def level(self, name: str, value: float) -> None:
        """Keep the last value."""
        self.levels[name] = value


class IsolatedMetrics:
    """
    Pass everything on to a backend, whose errors cost a measurement and nothing else.

    :param metrics: The backend.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._has_failed = False

    def count(self, name: str, amount: int = 1, **tags: str) -> None:
        """Add to a counter."""
        try:
            self._metrics.count(name, amount, **tags)
        except Exception as error:  # noqa: BLE001
            self._note(name, error)

    def time(self, name: str, seconds: float) -> None:
        """Take one duration."""
        try:
            self._metrics.time(name, seconds)
        except Exception as error:  # noqa: BLE001
            self._note(name, error)

    def level(self, name: str, value: float) -> None:
        """Set a gauge."""
        try:
            self._metrics.level(name, value)
        except Exception as error:  # noqa: BLE001
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            with suppress(Exception):
                log.error("The metric %s was lost, and others may be; this is said once", name, exc_info=error)
