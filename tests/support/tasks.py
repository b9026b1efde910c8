# SPDX-License-Identifier: Apache-2.0
"""Run an operator as Airflow's task runner would: execute, reschedule or defer, resume in a new object."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator
from support.airflow_names import AirflowRescheduleException, TaskDeferred

from devtools.waits import LIMIT

RESCHEDULE_PAUSE = 0.1
"""Seconds until a rescheduled sensor pokes again, whatever date it asks for."""


class TaskInstance(SimpleNamespace):
    """What operators use of a running task instance: its identity, and XComs."""

    def __init__(self, try_number: int = 1) -> None:
        super().__init__(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number, xcoms={})

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return getattr(self, "first_rescheduled", None)

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.xcoms[key] = value


class StateStore(dict[str, Any]):
    """Airflow's task state store: a mapping that outlives the try."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


class TaskRunner:
    """
    Runs tries of one task instance.

    :param make: Makes the operator, anew for each execution and each resumption.
    """

    def __init__(self, make: Callable[[], BaseOperator]) -> None:
        self.make = make
        self.tries = 0
        self.store = StateStore()
        self.ti = TaskInstance()
        self.deferrals: list[TaskDeferred] = []
        self.reschedules = 0

    def context(self) -> Any:
        return {"ti": self.ti, "task_state_store": self.store}

    def run(self, meanwhile: Callable[[], object] = lambda: None) -> Any:
        """
        Run one try to its end.

        :param meanwhile: Called after the task has deferred, before its trigger runs, or each time it was rescheduled.
        """
        self.tries += 1
        self.ti = TaskInstance(self.tries)
        while True:
            try:
                return self.make().execute(self.context())
            except AirflowRescheduleException:
                self.reschedules += 1
                if self.ti.get_first_reschedule_date(None) is None:
                    self.ti.first_rescheduled = datetime.now(timezone.utc)
                meanwhile()
                time.sleep(RESCHEDULE_PAUSE)
            except TaskDeferred as deferral:
                self.deferrals.append(deferral)
                meanwhile()
                event = asyncio.run(first_event(deferral.trigger))
                return getattr(self.make(), deferral.method_name)(self.context(), event=event)


async def first_event(trigger: Any) -> Any:
    """Make the trigger again from what it serializes, as the triggerer does, and wait for its event."""
    _, kwargs = trigger.serialize()
    # There is no worker whose end the scheduler would have to notice first.
    kwargs["hold"] = None
    events = type(trigger)(**kwargs).run()
    try:
        return (await asyncio.wait_for(events.__anext__(), LIMIT)).payload
    finally:
        await events.aclose()
