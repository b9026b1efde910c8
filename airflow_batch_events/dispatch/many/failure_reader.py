# SPDX-License-Identifier: Apache-2.0
"""
Read why jobs of one task have failed, while the others run; the first of them also for the task's log.

Which job is read is decided by :class:`~airflow_batch_events.events.many.run.JobsRun`. The rule that must not be
relaxed: how a job has ended is known without this, so what cannot be read costs its facts and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from airflow_batch_events.dispatch.many.call_loop import CallLoop
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.events.diagnosis import Diagnosis
from airflow_batch_events.events.many.facts import facts_of, reason_of
from airflow_batch_events.events.many.run import JobsRun
from airflow_batch_events.limits import DESCRIBE_TASK_RATE
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

READERS = 2
"""Jobs that are read at once at the most; each keeps a thread of the triggerer for some calls."""

SHOWN = 5
"""Failed jobs that the task's log names as they fail, the first with the ends of its output."""

ReadFailure = Callable[[str, str], Coroutine[Any, Any, Diagnosis]]
"""Says why a job has failed, by its id and the state in its outcome; limits its duration itself."""


class FailureReader:
    """
    Read what is to be read.

    :param run: The run.
    :param read: Says why a job has failed.
    :param say: Takes a line for the task's log.
    :param on_change: Called when a job was read.
    :param metrics: Where counts go.
    """

    def __init__(
        self,
        run: JobsRun,
        read: ReadFailure,
        say: Callable[[str], None],
        on_change: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self._run = run
        self._read_failure = read
        self._say = say
        self._on_change = on_change
        self._shown = 0
        self._calls: CallLoop[int, Diagnosis] = CallLoop(
            "DescribeJob",
            DESCRIBE_TASK_RATE,
            READERS,
            # Not faster: that a call in between was turned away does not show here.
            most_rate=DESCRIBE_TASK_RATE,
            take=run.take_unread,
            call=self._read,
            on_result=self._on_read,
            on_error=self._on_error,
            again=run.put_back_unread,
            metrics=metrics,
        )

    async def run(self) -> None:
        """Read until cancelled."""
        await self._calls.run()

    def wake(self) -> None:
        """Look for what is to be read."""
        self._calls.wake()

    async def _read(self, index: int) -> Diagnosis:
        item = self._run.items[index]
        return await self._read_failure(item.job_id or "", item.state or "")

    def _on_read(self, index: int, diagnosis: Diagnosis) -> None:
        self._run.on_read(index, facts_of(diagnosis), reason_of(diagnosis))
        self._shown += 1
        if self._shown <= SHOWN:
            self._say(f"jobs[{index}]: {diagnosis.summary}")
        if self._shown == 1:
            for line in diagnosis.detail:
                self._say(f"  {line}")
        self._on_change()

    def _on_error(self, index: int, error: Exception) -> bool:
        job_id = self._run.items[index].job_id
        log.warning("Cannot read why job %s has failed: %s", job_id, printable(error, MAX_TEXT) or type(error).__name__)
        self._run.on_read(index, None)
        self._on_change()
        return False
