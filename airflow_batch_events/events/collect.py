# SPDX-License-Identifier: Apache-2.0
"""
Collect the events that a task waits for, and ask the API the same question where it can answer.

An event may be lost; what it would have said often stands in the API as well: the state of a job or a task, the number
of nodes in a state. Such a question is put beside the events, and either answer ends the wait. Events are counted by
their identity, so a message that comes twice counts once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from airflow_batch_events.events.catalog import EventName, parse_event_names
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent

_LATER = {
    # A task that is past RUNNING has been RUNNING.
    "RUNNING": ("RUNNING", "SUCCEED", "FAILED", "FAILED_INTERRUPTED"),
}

_NODE_STATES = {
    EventName.COMPUTE_NODE_RUNNING: "RunningCount",
    EventName.COMPUTE_NODE_ABNORMAL: "AbnormalCount",
    EventName.COMPUTE_NODE_CREATION_FAILED: "CreationFailedCount",
}


@dataclass(frozen=True)
class Question:
    """
    What the API can be asked instead of waiting for an event.

    :param kind: ``job``, ``task`` or ``nodes``.
    :param object_id: The job's or the environment's id.
    :param task_name: The task, for ``task``.
    :param answers: For ``job`` and ``task`` the states that answer it, for ``nodes`` the counters whose sum does.
    :param count: For ``nodes``, how many there have to be.
    """

    kind: str
    object_id: str
    task_name: str | None
    answers: tuple[str, ...]
    count: int = 1

    def is_answered_by_state(self, state: str | None) -> bool:
        """Whether a job or a task in this state has had one of the events."""
        return state in self.answers

    def is_answered_by_counts(self, counts: Mapping[str, int]) -> bool:
        """Whether there are as many nodes in the wanted states."""
        return sum(counts.get(name, 0) for name in self.answers) >= self.count


def question_for(wanted: EventFilter, count: int) -> Question | None:
    """
    Return what the API can be asked, or None where only events can tell.

    :param wanted: The events that are waited for.
    :param count: How many of them.
    """
    if wanted.events is None or wanted.event_vars or wanted.job_name is not None:
        return None
    names = parse_event_names(wanted.events)
    if wanted.env_id is not None and all(name in _NODE_STATES for name in names):
        return Question("nodes", wanted.env_id, None, tuple(_NODE_STATES[name] for name in names), count)
    if count != 1 or not isinstance(wanted.job_id, str):
        return None
    if wanted.task_name is None and all(_is_about(name, "JOB_") for name in names):
        return Question("job", wanted.job_id, None, _states(names, "JOB_"))
    is_one_task = wanted.task_name is not None and not set(wanted.task_name) & set("*?[")
    if is_one_task and all(_is_about(name, "TASK_") for name in names):
        return Question("task", wanted.job_id, wanted.task_name, _states(names, "TASK_"))
    return None


def _is_about(name: EventName, prefix: str) -> bool:
    return name.value.startswith(prefix) and not name.value.startswith("TASK_INSTANCE_")


def _states(names: Collection[EventName], prefix: str) -> tuple[str, ...]:
    states = [name.value.removeprefix(prefix) for name in names]
    return tuple(dict.fromkeys(answer for state in states for answer in _LATER.get(state, (state,))))


@dataclass
class Collector:
    """
    The events of a wait, up to as many as are waited for.

    :param wanted: The events that are waited for.
    :param count: How many of them.
    """

    wanted: EventFilter
    count: int = 1
    found: dict[tuple[object, ...], BatchEvent] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether there are as many as are waited for."""
        return len(self.found) >= self.count

    def add(self, event: BatchEvent) -> None:
        """Take an event if it is wanted."""
        if not self.is_complete and self.wanted.matches(event):
            self.found.setdefault(event.identity, event)

    @property
    def events(self) -> list[BatchEvent]:
        """What was found, in the order in which it came."""
        return list(self.found.values())
