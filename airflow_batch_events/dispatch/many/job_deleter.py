# SPDX-License-Identifier: Apache-2.0
"""
Delete the jobs of one task that have ended, at the pace that the account allows.

Which job may be deleted is decided by :class:`~airflow_batch_events.events.many.run.JobsRun`. The rule that must not be
relaxed: the job has ended and its outcome is known; that it is still listed must not change that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from airflow_batch_events.dispatch.many.call_loop import CallLoop
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.events.many.run import JobsRun
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiNotFoundError,
    ApiParameterError,
    CredentialsError,
)
from airflow_batch_events.limits import DELETE_JOB_RATE
from airflow_batch_events.text import MAX_TEXT, printable

DELETIONS = 20
"""DeleteJob calls under way at once at the most."""

MAX_ATTEMPTS = 5
"""Times that deleting a job is tried while the API says that it is in use."""


class JobDeleter:
    """
    Delete what may be deleted.

    :param run: The run.
    :param delete: Deletes a job; makes one call.
    :param say: Takes a line for the task's log.
    :param on_change: Called when there is one job less.
    :param metrics: Where counts go.
    """

    def __init__(
        self,
        run: JobsRun,
        delete: Callable[[str], Coroutine[Any, Any, None]],
        say: Callable[[str], None],
        on_change: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self._run = run
        self._delete_job = delete
        self._say = say
        self._on_change = on_change
        self._attempts: dict[int, int] = {}
        self._calls: CallLoop[int, None] = CallLoop(
            "DeleteJob",
            DELETE_JOB_RATE,
            DELETIONS,
            take=run.take_deletable,
            call=self._delete,
            on_result=self._on_deleted,
            on_error=self._on_error,
            again=run.put_back_deletable,
            metrics=metrics,
        )

    async def run(self) -> None:
        """Delete until cancelled."""
        await self._calls.run()

    def wake(self) -> None:
        """Look for what may be deleted."""
        self._calls.wake()

    async def _delete(self, index: int) -> None:
        job_id = self._run.items[index].job_id
        if job_id is not None:
            await self._delete_job(job_id)

    def _on_deleted(self, index: int, _: None) -> None:
        self._run.on_deleted(index)
        self._on_change()

    def _on_error(self, index: int, error: Exception) -> bool:
        if isinstance(error, ApiNotFoundError):
            self._on_deleted(index, None)
            return False
        tries = self._attempts[index] = self._attempts.get(index, 0) + 1
        if tries >= MAX_ATTEMPTS or isinstance(error, ApiParameterError | ApiCredentialsError | CredentialsError):
            self._run.keep(index)
            self._say(f"Job {self._run.items[index].job_id} was not deleted: {printable(error, MAX_TEXT)}")
            self._on_change()
            return False
        self._run.put_back_deletable(index)
        return True
