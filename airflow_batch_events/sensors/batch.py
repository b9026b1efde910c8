# SPDX-License-Identifier: Apache-2.0
"""Wait for Batch jobs that something else has submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_batch_events.dispatch.consumer import RECONCILE_INTERVAL
from airflow_batch_events.events.outcome import TIMEOUT, JobWait, Outcome
from airflow_batch_events.exceptions import BatchJobTimeoutError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.waiting import JobWaitMixin

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class BatchJobSensor(JobWaitMixin, BaseSensorOperator):
    """
    Wait until one Batch job, or every job of a list, has settled.

    The return value is the outcome of the job, or the list of outcomes in the order of the ids.

    :param job_id: One job id, or a list of them, each once. (templated)
    :param queue_name: The queue that the jobs' topic forwards to, for the deferrable mode. None waits by looking at the
        API alone. (templated)
    :param raise_on_failure: Whether a job that ended FAILED or FAILED_INTERRUPTED fails the task; otherwise its outcome
        is a value like any other. A job that is not found fails the task in any case.
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says. Without,
        the sensor looks at the API every ``poke_interval`` and reads no queue.
    :param reconcile_interval: Seconds between looks at the API while events can be read.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    """

    template_fields: Sequence[str] = ("job_id", "queue_name", "tencentcloud_conn_id", "region")
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        job_id: str | list[str],
        queue_name: str | None = None,
        raise_on_failure: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        reconcile_interval: float = RECONCILE_INTERVAL,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.queue_name = queue_name
        self.raise_on_failure = raise_on_failure
        self.deferrable = deferrable
        self.reconcile_interval = reconcile_interval
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.poll_interval = self.poke_interval
        self._waits: list[JobWait] | None = None

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer or, as every sensor, by poking."""
        job_ids = self._job_ids
        if not job_ids:
            return []
        self.write_links(context, job_ids[0])
        if not self.deferrable:
            return super().execute(context)
        return self._conclude(self.wait_for_jobs(job_ids, timeout=self.timeout))

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take what the trigger fired: return the outcomes, or fail with what failed and why."""
        return self._conclude(self.outcomes_of(event))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the API once, for all the jobs that have not settled."""
        if self._waits is None:
            # A rescheduled sensor starts anew with each look; Airflow remembers when the first one was.
            first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
            missing_since = first.timestamp() if first else None
            self._waits = [JobWait(job_id, None, missing_since=missing_since) for job_id in self._job_ids]
        self.hook.look(self._waits, time.time())
        outcomes = [wait.outcome for wait in self._waits if wait.outcome is not None]
        if len(outcomes) < len(self._waits):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(outcomes))

    @property
    def _job_ids(self) -> list[str]:
        job_ids = [self.job_id] if isinstance(self.job_id, str) else list(self.job_id)
        if not all(isinstance(job_id, str) and job_id for job_id in job_ids):
            raise ValueError(f"job_id must be a job id or a list of job ids, not {self.job_id!r}")
        if len(set(job_ids)) < len(job_ids):
            raise ValueError(f"job_id names a job twice: {', '.join(job_ids)}")
        return job_ids

    def _conclude(self, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        for outcome in outcomes:
            has_result = outcome.state.startswith(("SUCCEED", "FAILED"))
            if not outcome.succeeded and (self.raise_on_failure or not has_result):
                self._fail(outcome)
        values = [outcome.to_dict() for outcome in outcomes]
        return values[0] if isinstance(self.job_id, str) else values

    def _fail(self, outcome: Outcome) -> None:
        error = self.error_for(outcome)
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"Skipping, because soft_fail or never_fail is set: {error}") from error
        if outcome.state == TIMEOUT and isinstance(error, BatchJobTimeoutError):
            # The class that Airflow's own sensors end with, which also says that a retry would be in vain.
            raise AirflowSensorTimeout(str(error)) from error
        raise error
