# SPDX-License-Identifier: Apache-2.0
"""
Show what jobs write in the log of their task, and return the value that they leave behind.

The rule that must not be relaxed: how a job has ended is known and pushed before its value is read, so that a value
that is missing hides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.outcomes.job_result import (
    JOB_ID,
    MAX_RESULTS,
    ResultFrom,
    result_from_of,
    result_path_of,
)
from airflow_batch_events.exceptions import BatchEventsError, NotStorableError, ParameterError
from airflow_batch_events.jobs.result import result_error
from airflow_batch_events.operators.job_end import JobEndOperator
from airflow_batch_events.waiting.parameters import Reader, optional
from airflow_batch_events.waiting.storable import storable
from airflow_batch_events.waiting.task_result import BATCH_OUTCOME_XCOM, result_of

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

    from airflow_batch_events.protocol.apis.live_output import LiveOutput

LIVE = "live"

NEWS_BOUND = 5.0
"""Seconds that showing new output may take between two polls."""

END_BOUND = 30.0
"""Seconds that showing what was written last may take at the end of a task."""

SHOWN_JOBS = 20
"""Jobs of one task whose output is shown."""

AT_THE_END = ("log_output", "result", "result_path")
"""The parameters that need a worker when the task ends well."""


class JobOutputOperator(JobEndOperator):
    """
    An operator that waits for jobs and uses what they write.

    :param log_output: Whether the ends of the output of jobs that succeeded go to the task's log as well; of the first
        20 jobs. ``live`` shows new lines while the task waits, as far as the API shows them (the last 2,048 bytes of
        a stream): every 15 seconds when deferred, else between two polls, but not of a sensor that is rescheduled.
    :param result: ``stdout-json`` returns the last line of a job's standard output, as JSON, in place of its outcome:
        of the first instance of its first task, as far as the API shows it (2,048 bytes). The outcome is XCom
        ``batch_outcome`` then.
    :param result_path: An object in COS that is returned, as JSON of at most 1 MiB, in place of the outcome:
        ``cos://results-1250000000/${BATCH_JOB_ID}.json``, where ``${BATCH_JOB_ID}`` stands for the job's id. It is read
        with the connection's key; needs the extra ``cos``. (templated)
    """

    readers: ClassVar[Mapping[str, Reader]] = {"result_path": optional(result_path_of), **JobEndOperator.readers}
    template_fields: Sequence[str] = tuple(readers)

    _told: object = None
    """What the trigger has shown."""
    _output: LiveOutput | None = None

    def __init__(
        self,
        *,
        log_output: bool | Literal["live"] = False,
        result: ResultFrom | None = None,
        result_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.is_live = log_output == LIVE
        self.log_output = self.is_live or self._read_log_output(log_output)
        self.result = None if result is None else self.read(result_from_of, "result", result)
        self.result_path = result_path
        if self.result is not None and result_path is not None:
            raise ParameterError(f"task {self.task_id!r}: result and result_path are both set: a job has one result")

    def _read_log_output(self, log_output: Any) -> bool:
        try:
            return self.read_flag("log_output", log_output)
        except ParameterError as error:
            raise ParameterError(f"{error}, or 'live'") from None

    @property
    def returns_result(self) -> bool:
        """Whether the task returns what its jobs leave behind, not how they ended."""
        return self.result is not None or self.result_path is not None

    @property
    def wanted_at_the_end(self) -> list[str]:
        """The parameters in use that need a worker when the task ends well."""
        return [name for name in AT_THE_END if getattr(self, name)]

    def needs_worker(self) -> list[str]:
        """Return what the running task needs a worker for when it ends well."""
        return [*super().needs_worker(), *self.wanted_at_the_end]

    def refuse_end(self) -> None:
        """
        Refuse an end in the triggerer of what needs a worker then.

        :raises ValueError: Naming the parameters and the way out.
        """
        needs = self.wanted_at_the_end
        if needs:
            raise ValueError(
                f"task {self.task_id!r}: {' and '.join(needs)} need a worker at the end: leave them out, or leave out "
                f"end_from_trigger"
            )

    def check_result(self, jobs: int) -> None:
        """
        Refuse what could not be returned, before anything is done.

        :param jobs: How many jobs are waited for.
        :raises ParameterError: For more than 100 jobs, and for several with one path.
        :raises ConfigurationError: When the client for COS is missing.
        """
        if not self.returns_result:
            return
        if jobs > MAX_RESULTS:
            raise ParameterError(
                f"task {self.task_id!r}: the results of {jobs} jobs are to be returned, a task takes {MAX_RESULTS}: "
                f"divide them among several"
            )
        if self.result_path is None:
            return
        if jobs > 1 and JOB_ID not in self.result_path:
            raise ParameterError(
                f"task {self.task_id!r}: {jobs} jobs cannot share one result_path: put {JOB_ID} into it, which stands "
                f"for the job's id"
            )
        # The module brings what talks to the cloud, which a DAG file must not pay for.
        from airflow_batch_events.protocol.cos import check_client

        check_client()

    def value_of(self, context: Context, outcomes: Sequence[Outcome], *, is_list: bool = False) -> Any:
        """
        Return the value of a task whose jobs are no failures: their outcomes, or what they have left behind.

        :param context: The task's context.
        :param outcomes: All that the task has waited for.
        :param is_list: Whether the task returns a list.
        :raises BatchJobResultError: When a job has left no usable value.
        :raises CloudError: When it cannot be read.
        """
        told = result_of(outcomes, is_list=is_list)
        if not self.returns_result:
            return told
        context["ti"].xcom_push(key=BATCH_OUTCOME_XCOM, value=storable(told))
        values = [self._read_result(outcome.job_id) for outcome in outcomes]
        if not is_list:
            return values[0]
        try:
            return storable(values)
        except NotStorableError as error:
            raise ParameterError(
                f"task {self.task_id!r}: the results of {len(values)} jobs together are nothing that Airflow can "
                f"store ({error}): divide the jobs among several tasks"
            ) from error

    def _read_result(self, job_id: str) -> Any:
        value = self.hook.read_result(job_id, self.result_path)
        try:
            return storable(value)
        except NotStorableError as error:
            raise result_error(job_id, "its value", f"Airflow cannot store it, {error}") from error

    def outcomes_of(self, event: object, count: int = 1) -> list[Outcome]:
        """Read what the trigger fired, and what it has shown."""
        self._told = event.get("output") if isinstance(event, Mapping) else None
        return super().outcomes_of(event, count)

    def beside_wait(self, job_ids: Sequence[str]) -> Callable[[], None] | None:
        """Show new output between two polls, where that is wanted."""
        return partial(self.show_news, job_ids) if self.is_live else None

    def show_news(self, job_ids: Sequence[str], *, is_over: bool = False) -> None:
        """
        Show what jobs have written since the last time, as far as that takes seconds.

        :param job_ids: The jobs, always the same.
        :param is_over: Whether they have ended.
        """
        from airflow_batch_events.protocol.apis.live_output import LiveOutput, follow_blocking

        if self._output is None:
            self._output = LiveOutput(job_ids, partial(self.log.info, "%s"), self._told)
        bound = END_BOUND if is_over else NEWS_BOUND
        ends = time.monotonic() + bound
        try:
            is_read = follow_blocking(
                self._output.read(is_over=is_over),
                lambda request: self.hook.send_once(request, max(0.1, ends - time.monotonic())),
                lambda: time.monotonic() < ends,
            )
            if is_over and not is_read:
                self.log.warning("What was written last is not all shown: it was not read within %g s", bound)
        except Exception:
            # Output is for people: how the task ends does not depend on it.
            self.log.warning("Cannot show the output of jobs", exc_info=True)

    def show_output(self, outcomes: Sequence[Outcome]) -> None:
        """Show the ends of the output of jobs that succeeded, or what is new in it, where that is wanted."""
        if self.is_live:
            self.show_news([outcome.job_id for outcome in outcomes], is_over=True)
            return
        if not self.log_output:
            return
        for outcome in [outcome for outcome in outcomes if outcome.succeeded][:SHOWN_JOBS]:
            try:
                for line in self.hook.read_output(outcome.job_id):
                    self.log.info("%s", line)
            except BatchEventsError as error:
                self.log.warning("Cannot read the output of job %s: %s", outcome.job_id, error)
