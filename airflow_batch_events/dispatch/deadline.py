# SPDX-License-Identifier: Apache-2.0
"""
Decide when a wait is over: no clock of any one machine may end it.

A wait lasts as long as it was told to, by a clock that never steps. It may begin anew, after the triggerer that held it
was restarted; then the deadline that it has carried along, in the cloud's time, shortens what is left of it. The
cloud's time is learned and this machine's may be wrong, so a deadline has passed only when both say so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from airflow_batch_events.events.duration import ENDLESS, seconds_of
from airflow_batch_events.protocol.clock import CloudClock


@dataclass(frozen=True)
class Deadline:
    """
    The end of a wait; with neither limit it has none.

    :param timeout: Seconds that the wait lasts, counted from its beginning in this process.
    :param at: The end in the cloud's time, Unix seconds; None where who began the wait did not know that time.
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
