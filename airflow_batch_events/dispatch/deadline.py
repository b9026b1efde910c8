# SPDX-License-Identifier: Apache-2.0
"""
Decide when a wait is over: no clock of any one machine may end it.

A wait lasts as long as it was told to, by a clock that never steps. It may begin anew, after the triggerer that held it
was restarted; then the deadline that it has carried along, in the cloud's time, shortens what is left of it. The
cloud's time is learned and this machine's may be wrong, so a deadline has passed only when both say so. And before a
deadline ends a wait the API is asked once more, because an event may have been lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_batch_events.dispatch.wait_registry import WaitGroup, WaitRegistry
from airflow_batch_events.events.duration import ENDLESS, seconds_of
from airflow_batch_events.events.outcome import JobWait, WaitDecision
from airflow_batch_events.protocol.clock import CloudClock

CLOCK_CHECK = 60.0
"""Seconds after which the time left until a deadline is measured again; a clock may have been corrected."""

FIRST_CLOCK_CHECK = 5.0
"""The same as long as no answer has told the cloud's time, without which no deadline has passed."""

LAST_POLL = 30.0
"""Seconds for which a limit waits for a last answer of the API: also of one that answers slowly."""


@dataclass(frozen=True)
class Deadline:
    """
    The end of a wait; with neither limit it has none.

    :param timeout: Seconds that the wait lasts, counted from its beginning in this process.
    :param at: The end in the cloud's time, Unix seconds; None where that time was not known when the wait began.
    """

    timeout: float | None = None
    at: float | None = None

    @classmethod
    def read(cls, prefix: str, timeout: object, at: object) -> Deadline:
        """
        Read both limits as people, templates and stored triggers write them.

        :param prefix: What their names begin with, for the message.
        :param timeout: A duration, or None.
        :param at: A time of the cloud's in Unix seconds, or None.
        :raises ConfigurationError: Naming the one that is nonsense.
        """
        return cls(
            None if timeout is None else seconds_of(f"{prefix}timeout", timeout, most=ENDLESS),
            None if at is None else seconds_of(f"{prefix}deadline", at, most=ENDLESS),
        )

    @property
    def is_set(self) -> bool:
        """Whether there is an end at all."""
        return self.timeout is not None or self.at is not None

    def left(self, elapsed: float, cloud_now: float | None, wall_now: float) -> float | None:
        """
        Return the seconds that are left, 0 when the wait is over; None when nothing says so far when that will be.

        :param elapsed: Seconds since the wait began in this process, by a clock that never steps.
        :param cloud_now: The cloud's time, Unix seconds; None while no answer has told it.
        :param wall_now: This machine's time, Unix seconds.
        """
        limits = []
        if self.timeout is not None:
            limits.append(self.timeout - elapsed)
        if self.at is not None and cloud_now is not None:
            limits.append(self.at - min(cloud_now, wall_now))
        return max(0.0, min(limits)) if limits else None

    def left_since(self, began: float, clock: CloudClock) -> float | None:
        """
        Return what :meth:`left` does at this moment.

        :param began: When the wait began, by the clock of the running event loop.
        :param clock: The cloud's time, and this machine's.
        """
        return self.left(asyncio.get_running_loop().time() - began, clock.known_now(), clock.wall())


@dataclass(frozen=True)
class WaitLimits:
    """
    How long a wait lasts.

    :param start: The end for a job that has not begun to run.
    :param end: The end for every job.
    """

    start: Deadline
    end: Deadline

    async def keep(
        self, group: WaitGroup, registry: WaitRegistry, clock: CloudClock, poll: Callable[[Iterable[str]], None]
    ) -> None:
        """
        Wait until the group is done or every limit has passed, each of which ends what it is about.

        :param group: The wait.
        :param registry: Where it is entered.
        :param clock: The cloud's time.
        :param poll: Polls jobs at once.
        """
        began = asyncio.get_running_loop().time()
        both = ((self.start, JobWait.on_start_deadline), (self.end, JobWait.on_deadline))
        limits = [(limit, end) for limit, end in both if limit.is_set]
        while limits and not group.done.done():
            left = [limit.left_since(began, clock) for limit, _ in limits]
            if 0.0 not in left:
                await asyncio.wait([group.done], timeout=min([clock_check(clock), *filter(None, left)]))
                continue
            await _poll_a_last_time(group, poll)
            # The answer may have told that the clock was wrong, and there is time left.
            for limit, end in list(limits):
                if limit.left_since(began, clock) == 0.0:
                    limits.remove((limit, end))
                    for wait in group.waits:
                        if not wait.is_done and end(wait) is WaitDecision.DONE:
                            registry.settle(wait, group)


def clock_check(clock: CloudClock) -> float:
    """Return the seconds after which to measure again how much time is left."""
    return CLOCK_CHECK if clock.is_known else FIRST_CLOCK_CHECK


async def _poll_a_last_time(group: WaitGroup, poll: Callable[[Iterable[str]], None]) -> None:
    """Let the API say whether a job has ended or begun while its event was lost."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + LAST_POLL
    before = [(wait, wait.polls) for wait in group.waits if not wait.is_done]
    poll([wait.job_id for wait, _ in before])
    while loop.time() < ends and any(not wait.is_done and wait.polls == polls for wait, polls in before):
        await asyncio.wait([group.done], timeout=0.1)
