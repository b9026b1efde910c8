# SPDX-License-Identifier: Apache-2.0
"""
Say which events a job publishes, and where: the ``Notifications`` of SubmitJob and CreateComputeEnv.

Always names ``TDMQ_CMQ`` as the target: the API's default, the old CMQ, was switched off at the end of 2022, so a
request that leaves the target out asks for events that never come.

Sources: API pages 599/15907 and 599/15891, guide 599/17924 (the snake_case sample), 1111/52720 (end of the old CMQ).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batch_events.events.catalog import JOB_EVENTS, EventName, find_event_name, parse_event_names
from airflow_batch_events.events.values import (
    event_var_of,
    event_vars_of,
    is_list,
    items_of,
    kind_of,
    mapping_of,
    objects_of,
    text_of,
    unfold,
)
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.limits import MAX_NAME

NOTIFICATION_TARGET = "TDMQ_CMQ"
"""The only target that still delivers."""

DEFAULT_JOB_EVENTS = (EventName.JOB_SUCCEED, EventName.JOB_FAILED, EventName.JOB_FAILED_INTERRUPTED)
"""The events that settle a wait."""

_TOPIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

EventVars = Mapping[str, Any]


def build_notifications(
    topic_name: str,
    events: object = None,
    event_vars: EventVars | None = None,
    *,
    allowed: Sequence[EventName] = JOB_EVENTS,
) -> list[dict[str, Any]]:
    """
    Build the list for one topic.

    :param topic_name: The topic's name, never its id; at most 64 characters.
    :param events: Event names in either spelling, or one; by default the three that settle a wait.
    :param event_vars: Custom parameters, either one mapping for all events or one mapping per event name. They are
        public: everyone who can read the topic's queues, the events or Airflow's logs and XComs sees them.
    :param allowed: The events that make sense here.
    :raises ParameterError: Naming what is wrong and what is allowed.
    """
    names = list(DEFAULT_JOB_EVENTS) if events is None else parse_event_names(events, allowed)
    if not names:
        raise ParameterError("events is empty: a notification needs at least one event name")
    variables = _variables_by_event(read_event_vars("event_vars", event_vars) if event_vars else {}, names)
    return [
        {
            "TopicName": check_topic_name(topic_name),
            "EventConfigs": [
                {
                    "EventName": name.value,
                    "EventVars": [{"Name": key, "Value": value} for key, value in variables[name].items()],
                }
                for name in names
            ],
        }
    ]


def normalize_notifications(
    notifications: object, *, allowed: Sequence[EventName] = JOB_EVENTS
) -> list[dict[str, Any]]:
    """
    Bring a full list into the API's form.

    :param notifications: The API's PascalCase form or the guide's snake_case form, event names in either spelling; a
        list, a single entry, or the JSON text of either.
    :param allowed: The events that make sense here.
    :raises ParameterError: Naming what is wrong and what is allowed.
    """
    entries = objects_of("notifications", notifications)
    return [_normal_notification(f"notifications[{i}]", entry, allowed) for i, entry in enumerate(entries)]


def check_topic_name(topic_name: object, parameter: str = "topic_name") -> str:
    """
    Return the name if the cloud can have a topic of that name.

    :param topic_name: The name.
    :param parameter: Whose value it is, for messages.
    :raises ParameterError: Saying what a topic's name looks like.
    """
    if not isinstance(topic_name, str) or not _TOPIC_NAME.fullmatch(topic_name) or len(topic_name) > MAX_NAME:
        raise ParameterError(
            f"{parameter}: {topic_name!r:.100} cannot be a topic's name: at most {MAX_NAME} characters, a letter "
            f"first, then letters, digits, '-' and '_'"
        )
    return topic_name


def read_event_vars(name: str, value: object) -> dict[str, Any]:
    """
    Read custom parameters, and write their values as they go out.

    :param name: The parameter, for messages.
    :param value: One mapping for all events, or one mapping for each event name; or the JSON text of that.
    :return: The same shape, with text for each value.
    :raises ParameterError: For values that are no text, number or boolean; the message does not show them.
    """
    variables = mapping_of(name, value)
    nested = [key for key, item in variables.items() if isinstance(item, Mapping)]
    if not nested:
        return dict(event_vars_of(name, variables))
    odd = [key for key in nested if not isinstance(key, str) or find_event_name(key) is None]
    if odd:
        raise ParameterError(
            f"{name}[{odd[0]!r:.60}] is a mapping: a parameter's value must be text, a number or a boolean, and a "
            f"mapping for one event needs its name as the key: one of {', '.join(EventName)}"
        )
    flat = [str(key) for key in variables if key not in nested]
    if flat:
        raise ParameterError(
            f"{name} mixes parameters for all events ({', '.join(flat):.200}) with parameters per event"
        )
    return {key: event_vars_of(f"{name}[{key!r}]", item) if item else {} for key, item in variables.items()}


def _normal_notification(where: str, entry: object, allowed: Sequence[EventName]) -> dict[str, Any]:
    entry = _pascal_keys(where, entry)
    configs = [_pascal_keys(f"{where}.EventConfigs", config) for config in _entries(where, "EventConfigs", entry)]
    if not configs:
        raise ParameterError(f"{where}, for topic {entry.get('TopicName')!r:.100}, has no EventConfigs")
    names = parse_event_names([config.get("EventName") for config in configs], allowed, parameter=where)
    return {
        "TopicName": check_topic_name(entry.get("TopicName"), f"{where}.TopicName"),
        "EventConfigs": [
            {
                "EventName": name.value,
                "EventVars": [_normal_pair(where, pair) for pair in _entries(where, "EventVars", config)],
            }
            for name, config in zip(names, configs, strict=True)
        ],
    }


def _normal_pair(where: str, pair: object) -> dict[str, Any]:
    pair = _pascal_keys(f"{where}.EventVars", pair)
    name = text_of(f"a Name in {where}.EventVars", pair.get("Name"))
    return {"Name": name, "Value": event_var_of(f"{where}.EventVars[{name!r:.60}]", pair.get("Value"))}


def _entries(where: str, name: str, entry: Mapping[str, Any]) -> list[Any]:
    value = unfold(entry.get(name) or ())
    if not is_list(value):
        raise ParameterError(f"{where}.{name} is {kind_of(value)}, must be a list")
    return items_of(value)


def _variables_by_event(variables: Mapping[str, Any], names: Sequence[EventName]) -> dict[EventName, Mapping[str, str]]:
    if not any(isinstance(value, Mapping) for value in variables.values()):
        return dict.fromkeys(names, variables)
    events = parse_event_names(list(variables), names, parameter="event_vars")
    per_event = dict(zip(events, variables.values(), strict=True))
    return {name: per_event.get(name, {}) for name in names}


def _pascal_keys(where: str, entry: object) -> dict[str, Any]:
    entry = mapping_of(where, entry)
    return {"".join(word[:1].upper() + word[1:] for word in str(key).split("_")): value for key, value in entry.items()}
