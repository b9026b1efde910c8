# SPDX-License-Identifier: Apache-2.0
"""
The names the cloud uses: 19 events in both spellings, and the states of jobs, tasks, instances and nodes.

The API and the delivered messages say ``JOB_SUCCEED`` (never ``SUCCEEDED``); the vendor's guide prints ``JobSucceed``
in its request sample. Both are read here, only the first is ever sent. Names that are in no list are data, not errors:
the cloud's own samples contain one.

Sources: API pages 599/15907, 599/15891 (EventConfig), guide 599/17924.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from enum import Enum
from typing import Literal

from airflow_batch_events.events.values import is_list, items_of, kind_of, unfold
from airflow_batch_events.exceptions import ParameterError


class EventName(str, Enum):
    """An event that Batch publishes, in the spelling of the API and of the messages."""

    JOB_RUNNING = "JOB_RUNNING"
    JOB_SUCCEED = "JOB_SUCCEED"
    JOB_FAILED = "JOB_FAILED"
    JOB_FAILED_INTERRUPTED = "JOB_FAILED_INTERRUPTED"
    TASK_RUNNING = "TASK_RUNNING"
    TASK_SUCCEED = "TASK_SUCCEED"
    TASK_FAILED = "TASK_FAILED"
    TASK_FAILED_INTERRUPTED = "TASK_FAILED_INTERRUPTED"
    TASK_INSTANCE_RUNNING = "TASK_INSTANCE_RUNNING"
    TASK_INSTANCE_SUCCEED = "TASK_INSTANCE_SUCCEED"
    TASK_INSTANCE_FAILED = "TASK_INSTANCE_FAILED"
    TASK_INSTANCE_FAILED_INTERRUPTED = "TASK_INSTANCE_FAILED_INTERRUPTED"
    COMPUTE_ENV_CREATED = "COMPUTE_ENV_CREATED"
    COMPUTE_ENV_DELETED = "COMPUTE_ENV_DELETED"
    COMPUTE_NODE_CREATED = "COMPUTE_NODE_CREATED"
    COMPUTE_NODE_CREATION_FAILED = "COMPUTE_NODE_CREATION_FAILED"
    COMPUTE_NODE_RUNNING = "COMPUTE_NODE_RUNNING"
    COMPUTE_NODE_ABNORMAL = "COMPUTE_NODE_ABNORMAL"
    COMPUTE_NODE_DELETING = "COMPUTE_NODE_DELETING"

    @property
    def camel_case(self) -> str:
        """The guide's spelling, for example ``JobFailedInterrupted``."""
        return "".join(word.capitalize() for word in self.value.split("_"))

    def __str__(self) -> str:
        return self.value


class JobState(str, Enum):
    """A job's state as DescribeJob gives it."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEED = "SUCCEED"
    FAILED = "FAILED"
    FAILED_INTERRUPTED = "FAILED_INTERRUPTED"

    @property
    def is_settled(self) -> bool:
        """Whether a wait for the job is over; an interrupted job is settled although it still holds its instances."""
        return self in SETTLED_STATES

    def __str__(self) -> str:
        return self.value


class NodeState(str, Enum):
    """A compute node's state as DescribeComputeEnv gives it."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    CREATING = "CREATING"
    CREATED = "CREATED"
    CREATION_FAILED = "CREATION_FAILED"
    RUNNING = "RUNNING"
    ABNORMAL = "ABNORMAL"
    DELETING = "DELETING"

    def __str__(self) -> str:
        return self.value


TaskState = JobState
"""Tasks and task instances share the job's state names."""

SETTLED_STATES = frozenset({JobState.SUCCEED, JobState.FAILED, JobState.FAILED_INTERRUPTED})

OnFinishAction = Literal["keep", "delete_succeeded", "delete"]
"""What becomes of a job that has ended."""

DELETED_STATES: Mapping[OnFinishAction, frozenset[str]] = {
    "keep": frozenset(),
    "delete_succeeded": frozenset({JobState.SUCCEED.value}),
    "delete": frozenset({JobState.SUCCEED.value, JobState.FAILED.value}),
}
"""The states in which a job is deleted, by what is to become of it."""

SETTLING_EVENTS = {
    EventName.JOB_SUCCEED: JobState.SUCCEED,
    EventName.JOB_FAILED: JobState.FAILED,
    EventName.JOB_FAILED_INTERRUPTED: JobState.FAILED_INTERRUPTED,
}
"""The events that end a wait for a job, with the state that each reports."""

STARTED_EVENTS = frozenset({EventName.JOB_RUNNING, EventName.TASK_RUNNING, EventName.TASK_INSTANCE_RUNNING})
"""The events that say that a job has begun to run."""

JOB_EVENTS = tuple(name for name in EventName if not name.value.startswith("COMPUTE_ENV"))
"""What SubmitJob accepts in a notification."""

COMPUTE_ENV_EVENTS = tuple(name for name in EventName if name.value.startswith("COMPUTE_"))
"""What CreateComputeEnv accepts in a notification."""

_BY_SPELLING = {spelling: name for name in EventName for spelling in (name.value, name.camel_case)}


def find_event_name(text: str) -> EventName | None:
    """Return the event of that name in either spelling, or None for a name that is in no list."""
    return _BY_SPELLING.get(text)


def parse_event_names(
    names: object, allowed: Iterable[EventName] = tuple(EventName), *, parameter: str = "events"
) -> list[EventName]:
    """
    Read event names as a user writes them, in either spelling.

    :param names: One name, or a list, tuple or set of them, or the JSON text of a list. Those of a set come out in the
        order of the catalog, so that the same set is the same job description in each try.
    :param allowed: The events that make sense where the names are used.
    :param parameter: Whose value it is, for messages.
    :raises ParameterError: Naming the parameter, the unknown or repeated name and all allowed ones.
    """
    allowed = list(allowed)
    names = unfold(names)
    if isinstance(names, str):
        names = [names]
    if not is_list(names):
        raise ParameterError(f"{parameter} is {kind_of(names)}, must be an event name or a list of them")
    found: list[EventName] = []
    for text in items_of(names):
        name = find_event_name(text) if isinstance(text, str) else None
        if name is None or name not in allowed:
            shown = f"unknown event {text!r:.60}" if isinstance(text, str) else f"{kind_of(text)} is no event name"
            raise ParameterError(f"{parameter}: {shown}; allowed here: {', '.join(allowed)}")
        if name in found:
            raise ParameterError(f"{parameter}: event {name} is named twice")
        found.append(name)
    return sorted(found, key=list(EventName).index) if isinstance(names, Set) else found


def find_job_state(text: str) -> JobState | None:
    """Return the job state of that name, or None for one that is in no list."""
    try:
        return JobState(text)
    except ValueError:
        return None
