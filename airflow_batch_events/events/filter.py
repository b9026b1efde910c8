# SPDX-License-Identifier: Apache-2.0
"""Which events are wanted: by name, object and custom parameters. Pure, and cheap to ask thousands of times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_batch_events.events.catalog import parse_event_names
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.values import filter_vars_of, job_ids_of, text_of
from airflow_batch_events.exceptions import ParameterError


@dataclass(frozen=True)
class EventFilter:
    """
    What an event must be like; what is left out matches everything.

    :param events: Event names in either spelling.
    :param job_id: A job id, or several; an empty list matches nothing.
    :param job_name: A pattern of the job's name with ``*``, ``?`` and ``[...]``, case-sensitive.
    :param env_id: A compute environment's id.
    :param task_name: A task's name, or a pattern.
    :param event_vars: Custom parameters that must all be there with these values. An event carries text, so a number or
        a boolean is compared as the text that it goes out as.
    :param region: The region that the event names, for example ``ap-guangzhou``.
    :raises ParameterError: For an event name that does not exist, for a blank or nested value, and for a custom
        parameter whose name begins with ``__``.
    """

    events: Sequence[str] | str | None = None
    job_id: str | Sequence[str] | None = None
    job_name: str | None = None
    env_id: str | None = None
    task_name: str | None = None
    event_vars: Mapping[str, Any] | None = None
    region: str | None = None
    _names: frozenset[str] | None = field(init=False, repr=False, default=None)
    _job_ids: frozenset[str] | None = field(init=False, repr=False, default=None)
    _vars: Mapping[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.events is not None:
            names = parse_event_names(self.events)
            if not names:
                raise ParameterError("events is an empty list: name the events, or leave it out for any event")
            object.__setattr__(self, "_names", frozenset(name.value for name in names))
        if self.job_id is not None:
            ids = job_ids_of("job_id", self.job_id)
            object.__setattr__(self, "_job_ids", frozenset([ids] if isinstance(ids, str) else ids))
        for name in ("job_name", "env_id", "task_name", "region"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, text_of(name, value))
        if self.event_vars is not None and self.event_vars != {}:
            object.__setattr__(self, "_vars", filter_vars_of("event_vars", self.event_vars))

    def matches(self, event: BatchEvent) -> bool:
        """Whether the event is wanted."""
        return (
            (self._names is None or event.name in self._names)
            and (self._job_ids is None or event.job_id in self._job_ids)
            and (self.job_name is None or fnmatchcase(event.job_name or "", self.job_name))
            and (self.env_id is None or event.env_id == self.env_id)
            and (self.task_name is None or fnmatchcase(event.task_name or "", self.task_name))
            and (self.region is None or event.region == self.region)
            and all(event.vars.get(name) == value for name, value in self._vars.items())
        )

    def matches_any(self, events: Iterable[BatchEvent]) -> bool:
        """Whether one of the events is wanted."""
        return any(map(self.matches, events))
