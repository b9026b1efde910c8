# SPDX-License-Identifier: Apache-2.0
"""
Decide how to go on ending a job: TerminateJob is asynchronous, and refused while the job is SUBMITTED.

One decision for two loops: the worker's, which blocks for one job, and the triggerer's, which ends any number of them
at a pace. Both ask until the API has taken the request, then poll until the job has settled, and give up when their
time is over; they say what became of the job, because nothing will ask again. That there is no such job, or that its id
is refused, has to be confirmed: a job that is taken for gone runs on.

Source: API pages 599/15908 (TerminateTaskInstance) and TerminateJob.
"""

from __future__ import annotations

from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.confirmation import Confirmation
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiNotFoundError,
    ApiParameterError,
    CloudError,
)

ASK_EVERY = 1.0
"""Seconds between two tries to end a job, and between two polls for its end."""

BOUND = 25.0
"""Seconds for which a task waits for its job's end; Airflow gives a trigger 30."""


class Termination:
    """
    The ending of one job: ask until the API takes the request, poll until it is over.

    :param job_id: The job.
    """

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.was_asked = False
        self.is_over = False
        self.may_still_run = True
        self.error: CloudError | None = None
        self.report = f"job {job_id}: nothing was done"
        # Both loops keep their tries a second apart.
        self._denials = Confirmation(spread=0.0)

    def on_asked(self) -> None:
        """The API has taken the request."""
        self.was_asked = True
        self.report = f"job {self.job_id}: the cloud was asked to end it, and had not done so at the last poll"

    def on_state(self, state: str | None) -> None:
        """
        Take the job's state.

        :param state: None when the API does not know the job (any more): a fact, never what could not be read.
        """
        if state is None and not self.was_asked:
            self._deny()
            return
        self._denials.reset()
        # An interrupted job has settled but still holds its instances, which ending it gives back.
        if state in (None, JobState.SUCCEED.value, JobState.FAILED.value):
            self.is_over = True
            self.may_still_run = False
            self.report = f"job {self.job_id} has ended: {state or 'deleted'}"

    def on_error(self, error: CloudError) -> None:
        """Take an error of either call."""
        if isinstance(error, ApiNotFoundError):
            self._deny()
            return
        self._report_failure(error)
        if isinstance(error, ApiCredentialsError) or (isinstance(error, ApiParameterError) and self._denials.add()):
            self.is_over = True
            self.error = error

    def give_up(self, reason: object) -> None:
        """Stop, because the time is over or the API cannot be reached at all."""
        self.is_over = True
        if not self.was_asked:
            self._report_failure(reason)

    def _deny(self) -> None:
        self.report = f"job {self.job_id} does not exist any more"
        if self._denials.add():
            self.is_over = True
            self.may_still_run = False

    def _report_failure(self, reason: object) -> None:
        if self.was_asked:
            self.report = f"job {self.job_id}: the cloud was asked to end it; what became of it is not known: {reason}"
            return
        self.report = f"job {self.job_id} could not be ended and may still run: {reason}"
