# SPDX-License-Identifier: Apache-2.0
"""From a worker to the triggerer and back: what Airflow gets wrong on the way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.airflow_compat.exceptions import AirflowException, AirflowSkipException

if TYPE_CHECKING:
    from airflow.sdk import BaseSensorOperator
    from airflow.triggers.base import BaseTrigger

HANDOVER_MARGIN = 1.0
"""Seconds beyond a worker's heartbeat interval during which a deferral must not end."""

SCHEDULER_ROUND = 3.0
"""Seconds that a round of the scheduler may take, beyond its idle sleep, until it has seen the end of a process."""

MAX_ARGUMENTS = 49_087
"""
Bytes of a trigger's arguments, as JSON, that an Airflow on MySQL can store: its column has 65,535, and what is stored
is encrypted, which adds 57 bytes, fills up to 16 and writes four characters for three bytes.

Source: ``models/trigger.py``, column ``kwargs``, which is ``Text`` on every database. Since: before 3.1.
"""

MAX_HANDOVER = 10.0
"""Seconds for which an outcome is held at the most, whatever a trigger's arguments say."""


def handover_seconds() -> float:
    """
    Return the seconds from its beginning during which a deferral must not end; see :class:`Handover`.

    The supervisor of a worker's process waits for messages from it, for one heartbeat interval at the most, and looks
    only then whether the process has ended. A deferred process closes its sockets before it has ended; a look between
    the two is too early, and the next one comes an interval later. Then the scheduler hears it, at the end of its next
    round, in which it may just have queued what the trigger has scheduled. So a round is waited for too, with the sleep
    before it. Its length is not bounded, and that of a busy scheduler is seconds.

    Source: ``sdk/execution_time/supervisor.py``, lines 1644 to 1658 and 1205 (1321 to 1335 in 3.2, 1047 to 1061 in
    3.1); ``jobs/scheduler_job_runner.py``, lines 1804 to 1874 (1685 to 1739 in 3.2, 1416 to 1472 in
    3.1). Since: before 3.1. It can go with :class:`Handover`.
    """
    interval = float(conf.getint("workers", "min_heartbeat_interval", fallback=5))
    idle_sleep = float(conf.getfloat("scheduler", "scheduler_idle_sleep_time", fallback=1.0))
    return interval + HANDOVER_MARGIN + idle_sleep + SCHEDULER_ROUND


class Handover:
    """
    The time, from when this is made, during which no task may be resumed, as Airflow may still see its worker run.

    Airflow may notice only at the next heartbeat that the process of a deferred task has ended. A task that is queued
    or runs again by then is failed: "finished with state success, but the task instance's state attribute is queued".
    A task that ends in the triggerer needs no such time: the late news fails tasks that are scheduled, queued, running
    or restarting only, not one that has ended, and not a later try of it; and a supervisor sends no heartbeat for a
    process that has deferred, so it kills nothing.

    Source: ``jobs/scheduler_job_runner.py``, lines 1476 to 1494 (1381 to 1399 in 3.2, 958 to 969 in 3.1), as in
    apache/airflow#67287 (queued) and #72716 (running); ``sdk/execution_time/supervisor.py``, line 1705 (1382 in 3.2,
    1100 in 3.1). Since: before 3.1. It can go when the scheduler lets a task be queued again while the end of its
    earlier process is under way.

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


def warn_of_size(trigger: BaseTrigger, log: Any) -> None:
    """
    Say that an Airflow on MySQL cannot store a trigger, where that is so.

    A worker does not know the database. On MySQL the API server answers such a deferral with a server error, which the
    task's log repeats without a cause; PostgreSQL takes it. So this is no error.

    :param trigger: The trigger that a task is about to be deferred with.
    :param log: The task's log.
    """
    size = len(json.dumps(trigger.serialize()[1], default=str))
    if size > MAX_ARGUMENTS:
        log.warning(
            "The arguments of the trigger have %d bytes. An Airflow whose database is MySQL stores at most %d where "
            "they are encrypted, and fails this task with a server error for more; wait in several tasks there",
            size,
            MAX_ARGUMENTS,
        )


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
