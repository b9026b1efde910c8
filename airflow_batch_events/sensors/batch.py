# SPDX-License-Identifier: Apache-2.0
"""Wait for Batch jobs that something else has submitted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import PokeReturnValue, XComArg

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.deferral import handover_seconds, skipping_errors, warn_of_size
from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.airflow_compat.trigger_start import STARTS_SINCE, left_out_of_success, with_start_args
from airflow_batch_events.events.outcome import JobWait, Outcome
from airflow_batch_events.events.outcomes.exit_codes import EndAs
from airflow_batch_events.events.values import (
    filter_vars_of,
    is_list,
    job_ids_of,
    kind_of,
    name_of,
    some_job_ids_of,
    text_of,
    whole_of,
)
from airflow_batch_events.exceptions import BatchJobResultError, ParameterError
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.job_end import raise_as_told
from airflow_batch_events.operators.job_output import AT_THE_END, JobOutputOperator
from airflow_batch_events.sensors.base import TencentCloudSensor
from airflow_batch_events.waiting.parameters import CONNECTION, Reader, optional, queue_name_of
from airflow_batch_events.waiting.task_result import NO_CODES, end_in, failures_in
from airflow_batch_events.waiting.trigger_start import (
    as_template,
    deferral_timeout,
    end_in_trigger,
    refuse_callbacks,
    refuse_start,
    start_args,
    template_for_each,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator

log = logging.getLogger(__name__)


class BatchJobSensor(JobOutputOperator, TencentCloudSensor):
    """
    Wait until one Batch job, or every job of a list, has settled.

    The return value is the outcome of the job, or what it has left behind (``result``, ``result_path``); of a list the
    list of them, in the order of the ids.

    The bases take ``queue_name``, ``deferrable``, ``reconcile_interval``, ``skip_on_exit_code``, ``fail_on_exit_code``,
    ``log_output``, ``result``, ``result_path``, ``tencentcloud_conn_id`` and ``region``. A sensor that does not defer
    polls the API every ``poke_interval`` and reads no queue.

    :param job_id: One job id, or a list of them, each once. The output of a mapped task, the text of a list, and
        outcomes are taken, too. With an empty list there is nothing to wait for, and the result is an empty list.
        (templated)
    :param raise_on_failure: Whether a job that ended FAILED or FAILED_INTERRUPTED fails the task; otherwise its outcome
        is a value like any other. A job that is not found fails the task in any case.
    :param start_from_trigger: Whether the wait begins in the triggerer, so that no worker is needed to begin it.
        ``job_id`` is then a task's output, or a template whose ``xcom_pull`` has ``map_indexes=...``; ``timeout``
        counts from when the scheduler defers the task. For the jobs of a mapped task see :meth:`for_each`.
    :param end_from_trigger: Whether a deferred wait also ends in the triggerer, so that no worker is needed to end the
        task. By default it does when the task succeeds and nothing of it needs a worker then (success callbacks,
        outlets, ``log_output``, a result, listeners of the deployment); any other end is a worker's. False ends each
        task on a worker. True ends failed ones in the triggerer, too: it implies ``deferrable``; what needs a worker is
        refused; failure callbacks run in the DAG processor, without the exception. A wait that times out is ended on a
        worker in any case.
    :raises ValueError: For what cannot begin or end in the triggerer, with the way out.
    """

    readers: ClassVar[Mapping[str, Reader]] = {"job_id": job_ids_of, **JobOutputOperator.readers}
    template_fields: Sequence[str] = tuple(readers)
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        job_id: str | list[str],
        raise_on_failure: bool = True,
        start_from_trigger: bool = False,
        end_from_trigger: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.raise_on_failure = self.read_flag("raise_on_failure", raise_on_failure)
        self.end_from_trigger = self.read_switch("end_from_trigger", end_from_trigger)
        self.start_from_trigger = self.read_flag("start_from_trigger", start_from_trigger)
        self.deferrable = self.deferrable or self.start_from_trigger or self.end_from_trigger is True
        self.poll_interval = self.poke_interval
        self._waits: list[JobWait] | None = None
        if not self.raise_on_failure and self.exit_codes != NO_CODES:
            raise ParameterError(
                f"task {self.task_id!r}: with raise_on_failure=False a failed job fails no task, whatever its exit "
                f"code: leave out skip_on_exit_code and fail_on_exit_code, or raise_on_failure"
            )
        if not self.raise_on_failure and self.returns_result:
            raise ParameterError(
                f"task {self.task_id!r}: a job that failed has no result, so with raise_on_failure=False leave out "
                f"result and result_path"
            )
        if self.end_from_trigger:
            refuse_callbacks(self)
            self.refuse_end()
        if self.start_from_trigger:
            refuse_start(self)
            self.start_trigger_args = start_args(
                self,
                {
                    "job_id": as_template(self, "job_id", job_id),
                    "queue_name": as_template(self, "queue_name", self.queue_name),
                    "tencentcloud_conn_id": as_template(self, "tencentcloud_conn_id", self.tencentcloud_conn_id),
                    "region": as_template(self, "region", self.region),
                    "reconcile_interval": self.poke_interval if self.queue_name is None else self.reconcile_interval,
                    # Whether it is a list shows when the ids are rendered.
                    "end": end_in_trigger(
                        self.end_from_trigger,
                        {**self.task_end(), "is_list": None},
                        # What the deployment needs a worker for is asked in the triggerer.
                        [*left_out_of_success(self, begins_here=True), *self.wanted_at_the_end],
                    ),
                    **({"live": True} if self.is_live else {}),
                },
                timeout=self.timeout,
            )

    @classmethod
    def for_each(cls, jobs: XComArg | BaseOperator | MappedOperator, **kwargs: Any) -> MappedOperator:
        """
        Make a mapped sensor that waits for each job of another task, from beginning to end without a worker.

        Each sensor reads the job id of its own map index, so a mapped task must have ended well for all of them.
        ``BatchJobSensor.partial(...).expand(...)`` waits for any other list, and begins each wait on a worker.

        :param jobs: A mapped task that pushes one job id each, a task that pushes a list of them, or its output.
        :param kwargs: The sensor's other parameters, ``task_id`` among them; ``start_from_trigger`` and
            ``end_from_trigger`` are True unless they are given, the latter not where ``log_output``, ``result`` or
            ``result_path`` needs a worker. Before Airflow 3.3, each wait begins on a worker.
        :raises ValueError: For what cannot begin or end in the triggerer, with the way out.
        """
        output = jobs if isinstance(jobs, XComArg) else XComArg(jobs)
        can_start = abilities.HAS_START_FROM_TRIGGER
        ends_here = None if any(kwargs.get(name) for name in AT_THE_END) else True
        settings = {"start_from_trigger": True, "end_from_trigger": ends_here, **kwargs}
        settings["start_from_trigger"] = can_start and settings["start_from_trigger"]
        sensor = cls.partial(**settings).expand(job_id=output)
        template = template_for_each(sensor, output)
        if not can_start:
            log.info("Task %r: each wait begins on a worker before Airflow %s", sensor.task_id, STARTS_SINCE)
            return sensor
        return with_start_args(sensor, {"job_id": template})

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer or, as every sensor, by poking."""
        self.read_parameters()
        job_ids = self._job_ids
        if not job_ids:
            return []
        self.check_result(len(job_ids))
        self.write_links(context, job_ids[0])
        if not self.deferrable:
            try:
                return super().execute(context)
            except (AirflowSensorTimeout, AirflowSkipException) as error:
                # What a poke has raised has a cause; Airflow's own end of the time has none.
                if not self._waits or error.__cause__ is not None:
                    raise
                # As a deferred wait ends: with what is known of each job, and as never_fail says.
                for wait in self._waits:
                    wait.on_deadline()
                return self._conclude(context, [wait.outcome for wait in self._waits if wait.outcome is not None])
        if self.start_from_trigger and self.get_closest_mapped_task_group() is None and _is_mapped(context):
            self.log.info("A mapped sensor begins on a worker, unless it was made by %s.for_each", type(self).__name__)
        return self._conclude(context, self.wait_for_jobs(job_ids, timeout=self.timeout))

    def execute_complete(self, context: Context, event: object = None) -> Any:
        """Take what the trigger fired: return the outcomes or the results, or fail with what failed and why."""
        self.read_parameters("job_id", "result_path", *CONNECTION)
        # Where no worker has begun the task, nobody has asked yet.
        self.check_result(len(self._job_ids))
        with skipping_errors(self):
            return self._conclude(context, self.outcomes_of(event, len(self._job_ids)))

    def task_end(self) -> dict[str, Any]:
        """Return how the task ends, for a trigger that ends it."""
        return {
            **super().task_end(),
            "is_list": not isinstance(self.job_id, str),
            "raise_on_failure": self.raise_on_failure,
            "skip_on_failure": self.soft_fail or self.never_fail,
        }

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll the API once for all the jobs that have not settled; what cannot be read, the next poke tells."""
        if self._waits is None:
            self._waits = [JobWait(job_id, None) for job_id in self._job_ids]
        waits = self._waits

        def poll() -> bool:
            # A rescheduled sensor does not remember at its next poke what it has to confirm.
            self.hook.poll_at_once(waits, confirm=self.reschedule)
            return True

        self.poll_for_poke(context, poll)
        outcomes = [wait.outcome for wait in waits if wait.outcome is not None]
        if len(outcomes) < len(waits):
            if self.is_live and not self.reschedule:
                self.show_news(self._job_ids)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(context, outcomes))

    @property
    def _job_ids(self) -> list[str]:
        return [self.job_id] if isinstance(self.job_id, str) else list(self.job_id)

    def _conclude(self, context: Context, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        is_list = not isinstance(self.job_id, str)
        failures = failures_in(outcomes, raise_on_failure=self.raise_on_failure)
        if failures:
            explained = self.explain(context, outcomes, failures, codes=self.exit_codes, is_list=is_list)
            if explained.end_as is EndAs.ERROR or self.soft_fail or self.never_fail:
                self.end_with(explained.error)
            raise_as_told(explained)
        self.count_ends(context, outcomes)
        self.show_output(outcomes)
        try:
            return self.value_of(context, outcomes, is_list=is_list)
        except BatchJobResultError as error:
            self.end_with(error)


def _is_mapped(context: Context) -> bool:
    index = context["ti"].map_index
    return index is not None and index >= 0


class BatchEventSensor(TencentCloudSensor):
    """
    Wait in the triggerer for any of the 19 events, or for N of them; what is left out matches everything.

    Where the API can tell the same (the state of one job or task, the number of nodes of an environment in a state), it
    is polled, too, so that a lost event is no lost wait. The return value is the list of the events; it is shorter than
    ``count`` when the API answered first. The queue must be one that only this task's triggerers read, because an event
    for nobody is deleted after two minutes.

    The base takes ``tencentcloud_conn_id`` and ``region``.

    :param queue_name: The queue that the topic forwards to. (templated)
    :param events: Event names in either spelling, one or a list; by default any event.
    :param job_id: A job id, or a list of them, at least one. The output of a mapped task, the text of a list, and
        outcomes are taken, too. (templated)
    :param job_name: A pattern of the job's name with ``*``, ``?`` and ``[...]``. (templated)
    :param env_id: A compute environment's id. (templated)
    :param task_name: A task's name, or a pattern. (templated)
    :param event_vars: Custom parameters that must all be there with these values, or the text of the mapping. A value
        is text, a number or a boolean, and is compared as the text that it goes out as. They are public: messages,
        logs and XComs show them, so no secret belongs there. (templated)
    :param event_region: The region that the event names, for example ``ap-guangzhou``. (templated)
    :param count: How many different events to wait for, for example eight COMPUTE_NODE_RUNNING of one environment; a
        number, or its text.
    :raises ParameterError: When a parameter holds something else, or was given and is rendered to nothing: a filter
        whose value is missing must not match everything.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "queue_name": queue_name_of,
        "job_id": optional(some_job_ids_of),
        "job_name": optional(text_of),
        "env_id": optional(name_of),
        "task_name": optional(text_of),
        "event_vars": optional(filter_vars_of),
        "event_region": optional(name_of),
        **CONNECTION,
    }
    template_fields: Sequence[str] = tuple(readers)
    template_fields_renderers: ClassVar[dict[str, str]] = {"event_vars": "json"}
    operator_extra_links = (CmqQueueLink(),)
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        queue_name: str,
        events: Sequence[str] | str | None = None,
        job_id: str | list[str] | None = None,
        job_name: str | None = None,
        env_id: str | None = None,
        task_name: str | None = None,
        event_vars: Mapping[str, Any] | None = None,
        event_region: str | None = None,
        count: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.queue_name = queue_name
        self.events = self.read_events(events)
        self.job_id = job_id
        self.job_name = job_name
        self.env_id = env_id
        self.task_name = task_name
        self.event_vars = event_vars
        self.event_region = event_region
        self.count = self.read(whole_of, "count", count, least=1)

    def execute(self, context: Context) -> None:
        """Wait in the triggerer."""
        self.read_parameters()
        # The trigger's module brings the clients; a DAG file that imports a sensor must not pay for them.
        from airflow_batch_events.triggers.event_wait import BatchEventWaitTrigger

        access = self.hook.access
        CmqQueueLink.persist(context, access, self.queue_name)
        self.log.info(
            "Waiting for %d events on queue %r at %s", self.count, self.queue_name, access.required_cmq_endpoint
        )
        wanted = {
            "events": self.events,
            "job_id": self.job_id,
            "job_name": self.job_name,
            "env_id": self.env_id,
            "task_name": self.task_name,
            "event_vars": None if self.event_vars is None else dict(self.event_vars),
            "region": self.event_region,
        }
        trigger = BatchEventWaitTrigger(
            queue_name=self.queue_name,
            wanted=wanted,
            count=self.count,
            timeout=self.timeout,
            hold=handover_seconds(),
            tencentcloud_conn_id=self.tencentcloud_conn_id,
            region=self.region,
        )
        warn_of_size(trigger, self.log)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=deferral_timeout(self.timeout))

    def execute_complete(self, context: Context, event: object = None) -> list[dict[str, Any]]:
        """Take what the trigger fired."""
        with skipping_errors(self):
            return self._events_of(event)

    def _events_of(self, event: object) -> list[dict[str, Any]]:
        end = end_in(event, statuses=("ended", "timeout"))
        events = end.get("events", [])
        if not is_list(events):
            raise ValueError(f"the trigger fired an end whose events are {kind_of(events)}, must be a list")
        if end["status"] == "timeout":
            raise AirflowSensorTimeout(
                f"{len(events)} of {self.count} events came on queue {self.queue_name!r} in {self.timeout:g} s"
            )
        self.log.info("The wait is over, known from %s", end.get("source"))
        return list(events)
