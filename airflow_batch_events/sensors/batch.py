# SPDX-License-Identifier: Apache-2.0
"""Wait for Batch jobs that something else has submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue, XComArg
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_batch_events.events.outcome import RECONCILE_INTERVAL, TIMEOUT, JobWait, Outcome
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
from airflow_batch_events.exceptions import BatchJobTimeoutError, CredentialsError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, get_access
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink
from airflow_batch_events.operators.job_wait_mixin import JobWaitMixin, error_of, skipping_errors
from airflow_batch_events.text import printable
from airflow_batch_events.waiting.handover import handover
from airflow_batch_events.waiting.parameters import (
    CONNECTION,
    ParameterMixin,
    Reader,
    optional,
    queue_name_of,
    sensor_arguments,
)
from airflow_batch_events.waiting.task_result import find_failure, result_of
from airflow_batch_events.waiting.trigger_start import (
    DEFERRAL_MARGIN,
    as_template,
    refuse_callbacks,
    refuse_execute_callback,
    start_args,
    template_for_each,
)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.definitions.mappedoperator import MappedOperator


class BatchJobSensor(ParameterMixin, JobWaitMixin, BaseSensorOperator):
    """
    Wait until one Batch job, or every job of a list, has settled.

    The return value is the outcome of the job, or the list of outcomes in the order of the ids.

    :param job_id: One job id, or a list of them, each once. The output of a mapped task, the text of a list, and
        outcomes are taken, too. With an empty list there is nothing to wait for, and the result is an empty list.
        (templated)
    :param queue_name: The queue that the jobs' topic forwards to, for the deferrable mode. None waits by looking at the
        API alone. (templated)
    :param raise_on_failure: Whether a job that ended FAILED or FAILED_INTERRUPTED fails the task; otherwise its outcome
        is a value like any other. A job that is not found fails the task in any case.
    :param deferrable: Whether to wait in the triggerer; by default as ``[operators] default_deferrable`` says. Without,
        the sensor looks at the API every ``poke_interval`` and reads no queue.
    :param reconcile_interval: Seconds between looks at the API at the most, while events can be read. This, as every
        duration here, is a number, such a number as text, or a ``timedelta``.
    :param start_from_trigger: Whether the wait begins in the triggerer, so that no worker is needed to begin it.
        ``job_id`` is then a task's output, or a template whose ``xcom_pull`` has ``map_indexes=...``; ``timeout``
        counts from when the scheduler defers the task. For the jobs of a mapped task see :meth:`for_each`.
    :param end_from_trigger: Whether the wait also ends there: no worker is needed to end the task. Success callbacks
        and outlets need a worker and are refused; failure callbacks run in the DAG processor, without the exception.
        A wait that times out is still ended on a worker.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing.
    :raises ValueError: For what cannot begin or end in the triggerer, with the way out.
    """

    template_fields: Sequence[str] = ("job_id", "queue_name", "tencentcloud_conn_id", "region")
    readers: ClassVar[Mapping[str, Reader]] = {
        "job_id": job_ids_of,
        "queue_name": optional(queue_name_of),
        **CONNECTION,
    }
    operator_extra_links = (BatchJobLink(), CmqQueueLink())
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        job_id: str | list[str],
        queue_name: str | None = None,
        raise_on_failure: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        reconcile_interval: float | str | timedelta = RECONCILE_INTERVAL,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**sensor_arguments(kwargs))
        self.job_id = job_id
        self.queue_name = queue_name
        self.raise_on_failure = self.read_flag("raise_on_failure", raise_on_failure)
        self.end_from_trigger = self.read_flag("end_from_trigger", end_from_trigger)
        self.start_from_trigger = self.read_flag("start_from_trigger", start_from_trigger)
        self.deferrable = self.read_flag("deferrable", deferrable) or self.start_from_trigger or self.end_from_trigger
        self.reconcile_interval = self.read_interval("reconcile_interval", reconcile_interval)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.poll_interval = self.poke_interval
        self._waits: list[JobWait] | None = None
        if self.end_from_trigger:
            refuse_callbacks(self)
        if self.start_from_trigger:
            refuse_execute_callback(self)
            self.start_trigger_args = start_args(
                self,
                {
                    "job_id": as_template(self, "job_id", job_id),
                    "queue_name": as_template(self, "queue_name", queue_name),
                    "tencentcloud_conn_id": as_template(self, "tencentcloud_conn_id", tencentcloud_conn_id),
                    "region": as_template(self, "region", region),
                    "reconcile_interval": self.poke_interval if queue_name is None else self.reconcile_interval,
                    # Whether it is a list shows when the ids are rendered.
                    "end": {**self.task_end(), "is_list": None} if self.end_from_trigger else None,
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
            ``end_from_trigger`` are True unless they are given.
        :raises ValueError: For what cannot begin or end in the triggerer, with the way out.
        """
        output = jobs if isinstance(jobs, XComArg) else XComArg(jobs)
        sensor = cls.partial(**{"start_from_trigger": True, "end_from_trigger": True, **kwargs}).expand(job_id=output)
        # Airflow defers the instances of a mapped task with arguments that belong to all of them.
        template = template_for_each(sensor, output)
        sensor.start_trigger_args = sensor.unmap({"job_id": template}).start_trigger_args
        return sensor

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer or, as every sensor, by poking."""
        self.read_parameters()
        job_ids = self._job_ids
        if not job_ids:
            return []
        self.write_links(context, job_ids[0])
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout:
                if not self._waits:
                    raise
                # As a deferred wait ends: with what is known of each job, and as never_fail says.
                for wait in self._waits:
                    wait.on_deadline()
                return self._conclude([wait.outcome for wait in self._waits if wait.outcome is not None])
        if self.start_from_trigger and self.get_closest_mapped_task_group() is None and _is_mapped(context):
            self.log.info("A mapped sensor begins on a worker, unless it was made by %s.for_each", type(self).__name__)
        return self._conclude(self.wait_for_jobs(job_ids, timeout=self.timeout))

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take what the trigger fired: return the outcomes, or fail with what failed and why."""
        self.read_parameters("job_id", *CONNECTION)
        with skipping_errors(self):
            return self._conclude(self.outcomes_of(event, len(self._job_ids)))

    def task_end(self) -> dict[str, Any]:
        """Return how the task ends, for a trigger that ends it."""
        return {
            **super().task_end(),
            "is_list": not isinstance(self.job_id, str),
            "raise_on_failure": self.raise_on_failure,
            "skip_on_failure": self.soft_fail or self.never_fail,
        }

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the API once, for all the jobs that have not settled; what cannot be read, the next poke tells."""
        is_first = self._waits is None
        if self._waits is None:
            self._waits = [JobWait(job_id, None) for job_id in self._job_ids]
            # A rescheduled sensor starts anew with each look.
            is_first = not self.reschedule or context["ti"].get_first_reschedule_date(context) is None
        try:
            self.hook.poll_at_once(self._waits, confirm=self.reschedule)
        except CredentialsError as error:
            # Keys that were good once are on their way to be exchanged.
            if is_first:
                raise
            self.log.warning("The keys were refused, will look again: %s", error)
        outcomes = [wait.outcome for wait in self._waits if wait.outcome is not None]
        if len(outcomes) < len(self._waits):
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._conclude(outcomes))

    @property
    def _job_ids(self) -> list[str]:
        return [self.job_id] if isinstance(self.job_id, str) else list(self.job_id)

    def _conclude(self, outcomes: Sequence[Outcome]) -> Any:
        self.log_end(outcomes)
        failure = find_failure(outcomes, raise_on_failure=self.raise_on_failure)
        if failure is not None:
            self._fail(failure)
        return result_of(outcomes, is_list=not isinstance(self.job_id, str))

    def _fail(self, outcome: Outcome) -> None:
        error = self.error_for(outcome)
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"Skipping, because soft_fail or never_fail is set: {error}") from error
        if outcome.state == TIMEOUT and isinstance(error, BatchJobTimeoutError):
            # The class that Airflow's own sensors end with, which also says that a retry would be in vain.
            raise AirflowSensorTimeout(str(error)) from error
        raise error


def _is_mapped(context: Context) -> bool:
    index = context["ti"].map_index
    return index is not None and index >= 0


class BatchEventSensor(ParameterMixin, BaseSensorOperator):
    """
    Wait in the triggerer for any of the 19 events, or for N of them; what is left out matches everything.

    Where the API can tell the same (the state of one job or task, the number of nodes of an environment in a state), it
    is looked at, too, so that a lost event is no lost wait. The return value is the list of the events; it is shorter
    than ``count`` when the API answered first. The queue must be one that only this task's triggerers read, because an
    event for nobody is deleted after two minutes.

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
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``. (templated)
    :param region: Overrides the connection's region. (templated)
    :raises ParameterError: For a parameter that holds something else, or that was given and is rendered to nothing: a
        filter whose value is missing must not match everything.
    """

    template_fields: Sequence[str] = (
        "queue_name",
        "job_id",
        "job_name",
        "env_id",
        "task_name",
        "event_vars",
        "event_region",
        "tencentcloud_conn_id",
        "region",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"event_vars": "json"}
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
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**sensor_arguments(kwargs))
        self.queue_name = queue_name
        self.events = self.read_events(events)
        self.job_id = job_id
        self.job_name = job_name
        self.env_id = env_id
        self.task_name = task_name
        self.event_vars = event_vars
        self.event_region = event_region
        self.count = self.read(whole_of, "count", count, least=1)
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def execute(self, context: Context) -> None:
        """Wait in the triggerer."""
        self.read_parameters()
        # The trigger's module brings the clients; a DAG file that imports a sensor must not pay for them.
        from airflow_batch_events.triggers.event_wait import BatchEventWaitTrigger

        access = get_access(self.tencentcloud_conn_id, self.region)
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
        self.defer(
            trigger=BatchEventWaitTrigger(
                queue_name=self.queue_name,
                wanted=wanted,
                count=self.count,
                timeout=self.timeout,
                hold=handover(),
                tencentcloud_conn_id=self.tencentcloud_conn_id,
                region=self.region,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + DEFERRAL_MARGIN),
        )

    def execute_complete(self, context: Context, event: Any = None) -> list[dict[str, Any]]:
        """Take what the trigger fired."""
        with skipping_errors(self):
            return self._events_of(event)

    def _events_of(self, event: Any) -> list[dict[str, Any]]:
        if not isinstance(event, Mapping) or event.get("status") not in ("ended", "timeout", "error"):
            raise ValueError(f"the trigger fired something else than the end of a wait: {printable(repr(event), 500)}")
        if event["status"] == "error":
            raise error_of(event)
        events = event.get("events", [])
        if not is_list(events):
            raise ValueError(f"the trigger fired an end whose events are {kind_of(events)}, must be a list")
        if event["status"] == "timeout":
            raise AirflowSensorTimeout(
                f"{len(events)} of {self.count} events came on queue {self.queue_name!r} in {self.timeout:g} s"
            )
        self.log.info("The wait is over, known from %s", event.get("source"))
        return list(events)
