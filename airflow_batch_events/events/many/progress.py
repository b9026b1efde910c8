# SPDX-License-Identifier: Apache-2.0
"""When to say how far many jobs have come, and how; pure."""

from __future__ import annotations

from collections import Counter

from airflow_batch_events.events.many.run import RunCounts

EVERY = 60.0
"""Seconds after which a line is due, whatever has happened."""

_TENTHS = 10


class Progress:
    """
    Lines for a task's log: at each tenth of the jobs, and each minute.

    :param counts: Where the run begins: what has ended before is not part of the rate.
    :param now: Seconds of a clock that never steps.
    """

    def __init__(self, counts: RunCounts, now: float) -> None:
        self.ended_by: Counter[str] = Counter()
        """What has ended how many of the waits in this process: ``event``, ``api`` or ``deadline``."""
        self._began = now
        self._ended_before = counts.ended
        self._tenth = self._tenth_of(counts)
        self._said_at = now

    def line(self, counts: RunCounts, now: float) -> str | None:
        """Return a line if one is due."""
        tenth = self._tenth_of(counts)
        if tenth <= self._tenth and now - self._said_at < EVERY:
            return None
        self._tenth = max(tenth, self._tenth)
        self._said_at = now
        return self.text(counts, now)

    def text(self, counts: RunCounts, now: float) -> str:
        """Return the line."""
        parts = [
            f"{counts.submitted} of {counts.total} submitted",
            f"{counts.running} running",
            f"{counts.ended} ended",
            f"{counts.failed} of them failed",
        ]
        seconds, ended = now - self._began, counts.ended - self._ended_before
        if seconds > 0 and ended > 0:
            rate = ended / seconds
            parts.append(f"{rate:.3g} a second")
            if counts.ended < counts.total:
                parts.append(f"about {_duration((counts.total - counts.ended) / rate)} left")
        if self.ended_by:
            parts.append(f"ended by {', '.join(f'{what} {count}' for what, count in self.ended_by.most_common())}")
        return ", ".join(parts)

    @staticmethod
    def _tenth_of(counts: RunCounts) -> int:
        return _TENTHS * counts.ended // max(1, counts.total)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
