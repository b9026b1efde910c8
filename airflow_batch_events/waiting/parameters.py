# SPDX-License-Identifier: Apache-2.0
"""
What the parameters of operators and sensors take, and how a rendered value becomes what the code behind can carry.

An operator names a reader for each of its template fields and calls :meth:`ParameterMixin.read_parameters` first in
``execute``: what is unambiguous is converted there, everything else fails the task before anything is done.

The rule that must not be relaxed: a parameter that was given, and was rendered to nothing, is an error. Taken for "not
given" it would widen a filter to other people's events, or send a request to the default region.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar, get_args

from airflow.sdk import XComArg

from airflow_batch_events.airflow_compat.operators import given_argument
from airflow_batch_events.airflow_compat.rendering import ObservedRendering, expanded_with
from airflow_batch_events.events.catalog import EventName, parse_event_names
from airflow_batch_events.events.duration import seconds_of
from airflow_batch_events.events.many.items import MAX_JOBS
from airflow_batch_events.events.notifications import check_topic_name
from airflow_batch_events.events.values import (
    NOTHING,
    flag_of,
    is_list,
    items_of,
    kind_of,
    mapping_of,
    name_of,
    unfold,
    whole_of,
)
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.limits import MAX_NODES
from airflow_batch_events.protocol.apis.batch_fields import with_types
from airflow_batch_events.protocol.credentials.settings import region_of
from airflow_batch_events.provisioning.queue_names import check_queue_name

_TEMPLATE = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)

T = TypeVar("T")
Reader = Callable[[str, Any], Any]

MIN_INTERVAL = 0.01
"""The fewest seconds between polls of the API; with zero it would be called without a pause."""

_DESCRIPTIONS = frozenset({"job", "jobs", "placement", "compute_env"})
"""The API's own objects, in which the text ``None`` may be what a job is to be given."""


def optional(read: Reader) -> Reader:
    """Return the reader of a parameter that may be left out."""
    return lambda name, value: None if value is None else read(name, value)


def topic_name_of(name: str, value: object) -> str:
    """
    Read the name of a topic.

    :raises ParameterError: For anything else.
    """
    return check_topic_name(name_of(name, value), name)


def queue_name_of(name: str, value: object) -> str:
    """
    Read the name of a queue, which may hold ``{hostname}``.

    :raises ParameterError: For anything else.
    """
    return check_queue_name(name_of(name, value))


def choice_of(name: str, value: T, *, choices: object) -> T:
    """
    Read one of the choices of a ``Literal`` type.

    :raises ValueError: Naming the parameter and the choices.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, must be one of {', '.join(map(repr, allowed))}")
    return value


def node_count_of(name: str, value: object) -> int:
    """
    Read a number of nodes of a compute environment.

    :raises ParameterError: Naming the parameter and what is allowed.
    """
    return whole_of(name, value, least=0, most=MAX_NODES)


def description_of(name: str, value: object) -> dict[str, Any]:
    """
    Read one of the API's own objects, with text and numbers as the API types them.

    :raises ParameterError: Naming the field within it; no value is shown.
    """
    return with_types(name, mapping_of(name, value))


def descriptions_of(name: str, value: object) -> list[dict[str, Any]]:
    """
    Read a list of jobs, which may be empty: dictionaries, or their text, or the text of the whole list.

    :raises ParameterError: Naming the place in the list and the field within it; no value is shown.
    """
    value = unfold(value)
    if not is_list(value):
        raise ParameterError(f"{name} is {kind_of(value)}, must be a list of the API's Job objects, or its JSON text")
    items = items_of(value)
    if len(items) > MAX_JOBS:
        raise ParameterError(f"{name} has {len(items)} jobs, one task takes {MAX_JOBS}: divide them among several")
    found = [description_of(f"{name}[{index}]", item) for index, item in enumerate(items)]
    for index, item in enumerate(found):
        if not item.get("Tasks"):
            raise ParameterError(f"{name}[{index}] has no Tasks, must be the API's Job object")
    return found


def has_template(value: object) -> bool:
    """Whether anything in a value may be a template: a text, or an object that Airflow resolves."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value or value.endswith((".json", ".j2"))
    if isinstance(value, Mapping):
        return any(map(has_template, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_template, value))
    return value is not None and not isinstance(value, int | float)


def region_name_of(name: str, value: object) -> str:
    """
    Read the name of a region.

    :raises ParameterError: For anything else.
    """
    return region_of(f"{name} of the task", name_of(name, value))


CONNECTION: Mapping[str, Reader] = {"tencentcloud_conn_id": name_of, "region": optional(region_name_of)}
"""The readers of the parameters that every operator and sensor has."""


class ParameterMixin(ObservedRendering):
    """
    Read the rendered parameters of a task; first among the bases of an operator.

    ``readers`` has a reader for each template field that is a parameter of ours.
    """

    readers: ClassVar[Mapping[str, Reader]]
    _nothing: Mapping[str, str] = {}
    _sources: Mapping[str, list[str]] = {}

    def read_parameters(self, *names: str) -> None:
        """
        Replace rendered parameters by what the code behind them takes; what has been read may be read again.

        :param names: Some parameters; by default all.
        :raises ParameterError: Naming the task, the parameter, the type that was given and what is taken.
        """
        for name in names or self.readers:
            if name in self._nothing:
                raise ParameterError(
                    f"task {self.task_id!r}: {self._nothing[name]} was given, and was rendered to nothing"
                    f"{self._origin(name)}: a value that is missing never counts as not given; leave {name} out, or "
                    f"run this task only when there is a value"
                )
            setattr(self, name, self.read(self.readers[name], name, getattr(self, name)))
        if self.execution_timeout is not None:
            self.read(seconds_of, "execution_timeout", self.execution_timeout)

    def read(self, read: Callable[..., T], name: str, value: Any, **bounds: Any) -> T:
        """
        Read one parameter, and say whose it is when it cannot be read.

        :param read: The reader.
        :param name: The parameter.
        :param value: What was given.
        :param bounds: Further arguments of the reader.
        :raises ParameterError: For what the reader refuses.
        """
        try:
            return read(name, value, **bounds)
        except ValueError as error:
            raise ParameterError(f"task {self.task_id!r}: {error}{self._origin(name)}") from error

    def read_flag(self, name: str, value: Any) -> bool:
        """Read a switch."""
        return self.read(flag_of, name, value)

    def read_switch(self, name: str, value: Any) -> bool | None:
        """Read a switch that may be left out."""
        return None if value is None else self.read_flag(name, value)

    def read_interval(self, name: str, value: Any) -> float:
        """Read a duration that must not be zero: the seconds between polls, or for a job to begin."""
        return self.read(seconds_of, name, value, least=MIN_INTERVAL)

    def read_events(self, events: Any, allowed: Iterable[EventName] = tuple(EventName)) -> list[str] | None:
        """Read the names of events, one or several, at least one; None where none are given."""
        if events is None:
            return None
        names = [name.value for name in self.read(lambda _, value: parse_event_names(value, allowed), "events", events)]
        if not names:
            raise ParameterError(f"task {self.task_id!r}: events is empty: name the events, or leave it out")
        return names

    def on_rendered(self, before: Mapping[str, Any]) -> None:
        """Note which parameters were rendered to nothing, and which tasks their values come from."""
        before = {name: value for name, value in before.items() if name in self.readers}
        sources = {name: self._sources_of(name, value) for name, value in before.items()}
        nothing: dict[str, str] = {}
        for name, value in before.items():
            after = getattr(self, name)
            if value is None and sources[name]:
                nothing[name] = name
            for path in _nothing_in(name, value, after, NOTHING, () if name in _DESCRIPTIONS else NOTHING[1:]):
                nothing.setdefault(name, path)
        others = {name: path for name, path in self._nothing.items() if name not in before}
        self._nothing, self._sources = {**others, **nothing}, {**self._sources, **sources}

    def _sources_of(self, name: str, value: Any) -> list[str]:
        """Return the ids of the tasks whose outputs a parameter is made from."""
        if value is not None:
            found = _tasks_in(value)
            if found:
                return found
        return _tasks_in(expanded_with(self, name))

    def _origin(self, name: str) -> str:
        tasks = self._sources.get(name)
        return f" (it comes from task {', '.join(map(repr, tasks))})" if tasks else ""


def sensor_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the arguments of a sensor with Airflow's own durations as numbers, however they are written.

    :param kwargs: What was given to the sensor's constructor.
    :raises ParameterError: For what is no duration.
    """
    read = dict(kwargs)
    for name, least in (("poke_interval", MIN_INTERVAL), ("timeout", 0.0), ("max_wait", 0.0)):
        value = given_argument(read, name)
        if value is None:
            continue
        try:
            read[name] = seconds_of(name, value, least=least)
        except ValueError as error:
            raise ParameterError(f"task {kwargs.get('task_id')!r}: {error}") from error
    return read


def _tasks_in(value: Any) -> list[str]:
    return list(dict.fromkeys(task.task_id for task, _ in XComArg.iter_xcom_references(value)))


def _nothing_in(path: str, before: Any, after: Any, texts: Iterable[str], nested: Iterable[str]) -> Iterator[str]:
    """Return where a value was there before rendering, and is nothing after it."""
    if before is None:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key, value in before.items():
            yield from _nothing_in(f"{path}[{key!r}]", value, after.get(key), nested, nested)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for index, (value, rendered) in enumerate(zip(before, after, strict=False)):
            yield from _nothing_in(f"{path}[{index}]", value, rendered, nested, nested)
    elif after is None or (isinstance(after, str) and after != before and _is_nothing(before, after.strip(), texts)):
        yield path


def _is_nothing(before: Any, after: str, texts: Iterable[str]) -> bool:
    if after in texts:
        return True
    # Of "{{ name }}*" a name that is missing leaves a pattern that matches everything.
    is_bare_pattern = "" in texts and not after.strip("*?")
    return is_bare_pattern and isinstance(before, str) and after == _TEMPLATE.sub("", before).strip()
