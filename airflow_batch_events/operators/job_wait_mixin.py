# SPDX-License-Identifier: Apache-2.0
"""
Wait for jobs from a task, deferred or on the worker, and turn what comes back into outcomes or an error.

What submits, senses and branches on jobs waits in the same way; this mixin is that way. After a deferral nothing but
the trigger's event and the operator's own parameters is known: the object is a new one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from inspect import isfunction
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, get_args

from airflow.sdk import Asset

from airflow_batch_events import exceptions
from airflow_batch_events.airflow_compat.deferral import handover_seconds
from airflow_batch_events.airflow_compat.links import keep_links
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import BatchEventsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.links.console import BatchJobLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.text import printable
from airflow_batch_events.waiting.task_result import end_lines, explain
from airflow_batch_events.waiting.trigger_start import DEFERRAL_MARGIN

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator as _Operator
    from airflow.sdk.definitions.context import Context
else:
    _Operator = object


class JobWaitMixin(_Operator):
    """Wait for jobs; for operators that have the parameters named below."""

    returns_outcomes: ClassVar[bool] = True
    """Whether a task that waits returns outcomes, not job ids."""

    tencentcloud_conn_id: str
    region: str | None
    queue_name: str | None
    deferrable: bool
    reconcile_interval: float
    poll_interval: float
    cancel_on_kill: bool = False
    end_from_trigger: bool = False
    start_timeout: float | None = None

    @cached_property
    def hook(self) -> BatchHook:
        """The Batch API with the task's connection."""
        return BatchHook(self.tencentcloud_conn_id, self.region)

    def write_links(self, context: Context, job_id: str, topic_name: str | None = None) -> None:
        """Write the links of a task that is about to wait."""
        BatchJobLink.persist(context, self.hook.access, job_id)
        if topic_name is not None:
            CmqTopicLink.persist(context, self.hook.access, topic_name)
        if self.queue_name is not None:
            CmqQueueLink.persist(context, self.hook.access, self.queue_name)
        keep_links(self)

    def wait_for_jobs(self, job_ids: Sequence[str], *, timeout: float | None) -> list[Outcome]:
        """
        Wait on the worker, or raise the deferral that waits in the triggerer.

        :param job_ids: The jobs, each once.
        :param timeout: Seconds from now at which the wait is over; None waits without end.
        """
        if self.deferrable:
            self._defer_for_jobs(job_ids, timeout)
        return self.hook.wait_for_jobs(
            job_ids, poll_interval=self.poll_interval, timeout=timeout, start_timeout=self.start_timeout
        )

    def _defer_for_jobs(self, job_ids: Sequence[str], timeout: float | None) -> NoReturn:
        # The trigger's module brings the clients; a DAG file that imports an operator must not pay for them.
        from airflow_batch_events.triggers.batch import BatchJobTrigger

        # Settings that are missing must fail here, in the task's log, not in the triggerer's.
        access = self.hook.access
        if self.queue_name is None:
            how = "by looking at the API"
        else:
            how = f"by event on queue {self.queue_name!r} at {access.required_cmq_endpoint}"
        self.log.info("Waiting for %s %s", ", ".join(job_ids), how)
        self.defer(
            trigger=BatchJobTrigger(
                job_id=list(job_ids),
                queue_name=self.queue_name,
                tencentcloud_conn_id=self.tencentcloud_conn_id,
                region=self.region,
                reconcile_interval=self.poll_interval if self.queue_name is None else self.reconcile_interval,
                timeout=timeout,
                deadline=deadline_of(timeout, self.hook),
                start_timeout=self.start_timeout,
                start_deadline=deadline_of(self.start_timeout, self.hook),
                hold=handover_seconds(),
                cancel_on_kill=self.cancel_on_kill,
                end=self.task_end() if self.end_from_trigger else None,
            ),
            method_name="execute_complete",
            timeout=None if timeout is None else timedelta(seconds=timeout + DEFERRAL_MARGIN),
        )

    def task_end(self) -> dict[str, Any]:
        """Return how the task ends, for a trigger that ends it."""
        return {"push_result": self.do_xcom_push, "multiple_outputs": self.multiple_outputs}

    def emit_outcome(self, context: Context, outcome: Any) -> None:
        """Give the asset events of the task's outlets the outcome as their extra."""
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                context["outlet_events"][outlet].extra.update(outcome)

    def outcomes_of(self, event: Any, count: int = 1) -> list[Outcome]:
        """
        Read what the trigger fired.

        :param event: The trigger's payload, whichever version has fired it.
        :param count: How many jobs were waited for: one that is missing must not count as one that has succeeded.
        :raises BatchEventsError: The error that ended the wait in the triggerer, as its own class.
        :raises ValueError: When the event is not one of ours.
        """
        if not isinstance(event, Mapping) or event.get("status") not in ("ended", "error"):
            raise ValueError(f"the trigger fired something else than the end of a wait: {printable(repr(event), 500)}")
        keep_links(self)
        if event["status"] == "error":
            raise error_of(event)
        outcomes = event.get("outcomes")
        if not is_list(outcomes):
            raise ValueError(f"the trigger fired an end without a list of outcomes: {sorted(map(str, event))}")
        if len(outcomes) != count:
            raise ValueError(f"the trigger fired the outcomes of {len(outcomes)} jobs, where {count} were waited for")
        return [Outcome.from_dict(item) for item in outcomes]

    def error_for(self, outcome: Outcome) -> BatchEventsError:
        """Return the error for an outcome that is not a success; for a failed job its log lines are written, too."""
        error, lines = explain(self.hook, outcome)
        for line in lines:
            self.log.error("%s", line)
        return error

    def log_end(self, outcomes: Sequence[Outcome]) -> None:
        """Say in the task's log how the jobs ended."""
        for line in end_lines(outcomes):
            self.log.info("%s", line)


def deadline_of(seconds: float | None, hook: BatchHook) -> float | None:
    """
    Return the cloud's Unix time at which a wait that begins now is over.

    :param seconds: How long the wait may last; None waits without end.
    :param hook: What this task has asked the cloud with; None is returned while no answer has told the time.
    """
    now = hook.known_now()
    if seconds is None or now is None:
        return None
    # Too late costs some waiting after a restart of the triggerer; too early ends a wait.
    return max(now, time.time()) + seconds


# What the triggerer of an older version still calls them.
_OLD_NAMES = {"QueueMissingError": "WaitQueueNotFoundError", "QueueNotFoundError": "CmqQueueNotFoundError"}


def error_of(event: Mapping[str, Any]) -> BatchEventsError:
    """Return the error that ended a wait in the triggerer, as its own class: that of a setting, or of the cloud."""
    name = str(event.get("error"))
    kind: Any = getattr(exceptions, _OLD_NAMES.get(name, name), None)
    if not isinstance(kind, type) or not issubclass(kind, exceptions.ConfigurationError | exceptions.CloudError):
        kind = BatchEventsError
    # Some take more than a message; then it is the class above them.
    while isfunction(kind.__init__):
        kind = kind.__base__
    error: BatchEventsError = kind(event.get("message") or "the triggerer has not said why it has ended the wait")
    return error


def timeout_of(execution_timeout: timedelta | None) -> float | None:
    """Return the seconds that a task without a time-out of its own may wait."""
    return None if execution_timeout is None else execution_timeout.total_seconds()


def check_choice(parameter: str, value: object, choices: Any) -> None:
    """
    Refuse a value that is not one of the choices of a ``Literal`` type.

    :raises ValueError: Naming the parameter and the choices.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(f"{parameter} is {value!r}, must be one of {', '.join(map(repr, allowed))}")
