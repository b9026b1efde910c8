# SPDX-License-Identifier: Apache-2.0
"""From a worker to the triggerer and back: what Airflow gets wrong on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.airflow_compat.exceptions import AirflowException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import BaseSensorOperator

HANDOVER_MARGIN = 1.0
"""Seconds beyond a worker's heartbeat interval during which a deferral must not end."""

SCHEDULER_ROUND = 3.0
"""Seconds that a round of the scheduler may take, beyond its idle sleep, until it has seen the end of a process."""

MAX_HANDOVER = 10.0
"""Seconds for which an outcome is held at the most, whatever a trigger's arguments say."""


def handover_seconds() -> float:
    """
    Return the seconds from its beginning during which a deferral must not end; see :class:`Handover`.

    A worker may say only at its next heartbeat that the process has ended, and the scheduler hears it at the end of its
    next round. A task that the trigger has scheduled is queued in a round, too. Where a task that is only scheduled is
    failed as well, the whole round is waited for; its length is not bounded, and that of a busy scheduler is seconds.

    Source: ``sdk/execution_time/supervisor.py``, lines 183 and 1702; ``jobs/scheduler_job_runner.py`` of 3.1, lines 958
    to 969 (scheduled) and 1399 to 1430 (the round). Since: before 3.1. It can go with :class:`Handover`.
    """
    held = float(conf.getint("workers", "min_heartbeat_interval", fallback=5)) + HANDOVER_MARGIN
    if abilities.HAS_EARLY_RESUME:
        return held
    return held + float(conf.getfloat("scheduler", "scheduler_idle_sleep_time", fallback=1.0)) + SCHEDULER_ROUND


class Handover:
    """
    The time during which a deferral must not end, because Airflow may still see its worker run; from when this is made.

    Airflow may notice only at the next heartbeat that the process of a deferred task has ended. A task that is queued
    again before that is failed: "finished with state success, but the task instance's state attribute is queued".

    Source: ``jobs/scheduler_job_runner.py``, line 1505. Since: before 3.1. It can go when the scheduler lets a task be
    queued again while the end of its earlier process is under way.

    :param seconds: How long; None does not hold.
    :param until: Unix seconds of this machine instead, as triggers of version 0.1.0 have stored it.
    """

    def __init__(self, seconds: object = None, until: object = None) -> None:
        if not _is_number(seconds) and _is_number(until):
            seconds = float(until) - time.time()  # type: ignore[arg-type]
        held = float(seconds) if _is_number(seconds) else 0.0  # type: ignore[arg-type]
        self._ends = asyncio.get_running_loop().time() + min(MAX_HANDOVER, max(0.0, held))

    async def passed(self) -> None:
        """Wait until the deferral may end."""
        await asyncio.sleep(max(0.0, self._ends - asyncio.get_running_loop().time()))


@contextmanager
def skipping_errors(sensor: BaseSensorOperator) -> Iterator[None]:
    """
    Skip a resumed sensor that must never fail for any error, as Airflow does while a sensor pokes.

    A resumed sensor is skipped by Airflow for its own exceptions only, whatever ``never_fail`` promises.

    Source: ``sdk/bases/sensor.py``, lines 213 to 225 (poking) and 260 to 265 (resumed). Since: before 3.1. It can go
    when both treat the same exceptions.

    :param sensor: The sensor.
    """
    try:
        yield
    except AirflowException:
        # These Airflow itself takes for soft_fail and never_fail.
        raise
    except Exception as error:
        if not sensor.never_fail:
            raise
        raise AirflowSkipException(f"Skipping, because never_fail is set: {error}") from error


def _is_number(value: object) -> bool:
    # What makes no sense here is worth no error: the most that it costs is ten seconds.
    return isinstance(value, int | float) and abs(value) < 1e12
