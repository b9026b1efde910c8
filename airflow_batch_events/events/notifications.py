# SPDX-License-Identifier: Apache-2.0
"""
Say which events a job publishes, and where: the ``Notifications`` of SubmitJob and CreateComputeEnv.

Always names ``TDMQ_CMQ`` as the target: the API's default, the old CMQ, was switched off at the end of 2022, so a
request that leaves the target out asks for events that never come.

Sources: API pages 599/15907 and 599/15891, guide 599/17924 (the snake_case sample), 1111/52720 (end of the old CMQ).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_batch_events.events.catalog import JOB_EVENTS, EventName, parse_event_names

NOTIFICATION_TARGET = "TDMQ_CMQ"
"""The only target that still delivers."""

DEFAULT_JOB_EVENTS = (EventName.JOB_SUCCEED, EventName.JOB_FAILED, EventName.JOB_FAILED_INTERRUPTED)
"""The events that settle a wait."""

MAX_TOPIC_NAME = 64
"""Characters in a topic's name."""

_TOPIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

EventVars = Mapping[str, Any]


def build_notifications(
    topic_name: str,
    events: Iterable[str] | None = None,
    event_vars: EventVars | None = None,
    *,
    allowed: Sequence[EventName] = JOB_EVENTS,
) -> list[dict[str, Any]]:
    """
    Build the list for one topic.

    :param topic_name: The topic's name, never its id; at most 64 characters.
    :param events: Event names in either spelling; by default the three that settle a wait.
    :param event_vars: Custom parameters, either one mapping for all events or one mapping per event name.
    :param allowed: The events that make sense here.
    :raises ValueError: Naming what is wrong and what is allowed.
    """
    names = list(DEFAULT_JOB_EVENTS) if events is None else parse_event_names(events, allowed)
    if not names:
        raise ValueError("events is empty: a notification needs at least one event name")
    variables = _variables_by_event(event_vars or {}, names)
    return [
        {
            "TopicName": check_topic_name(topic_name),
            "EventConfigs": [
                {
                    "EventName": name.value,
                    "EventVars": [{"Name": key, "Value": str(value)} for key, value in variables[name].items()],
                }
                for name in names
            ],
        }
    ]


def normalise_notifications(
    notifications: Sequence[Mapping[str, Any]], *, allowed: Sequence[EventName] = JOB_EVENTS
) -> list[dict[str, Any]]:
    """
    Bring a full list into the API's form.

    :param notifications: The API's PascalCase form or the guide's snake_case form, event names in either spelling.
    :param allowed: The events that make sense here.
    :raises ValueError: Naming what is wrong and what is allowed.
    """
    normal = []
    for entry in notifications:
        entry = _pascal_keys(entry)
        configs = [_pascal_keys(config) for config in entry.get("EventConfigs") or ()]
        names = parse_event_names([config.get("EventName", "") for config in configs], allowed)
        if not names:
            raise ValueError(f"the notification for topic {entry.get('TopicName')!r} has no EventConfigs")
        normal.append(
            {
                "TopicName": check_topic_name(entry.get("TopicName")),
                "EventConfigs": [
                    {
                        "EventName": name.value,
                        "EventVars": [_pascal_keys(pair) for pair in config.get("EventVars") or ()],
                    }
                    for name, config in zip(names, configs, strict=True)
                ],
            }
        )
    return normal


def check_topic_name(topic_name: object) -> str:
    """
    Return the name if the cloud can have a topic of that name.

    :raises ValueError: Saying what a topic's name looks like.
    """
    if not isinstance(topic_name, str) or not _TOPIC_NAME.fullmatch(topic_name) or len(topic_name) > MAX_TOPIC_NAME:
        raise ValueError(
            f"{topic_name!r} cannot be a topic's name: at most {MAX_TOPIC_NAME} characters, a letter first, then "
            f"letters, digits, '-' and '_'"
        )
    return topic_name


def _variables_by_event(event_vars: EventVars, names: Sequence[EventName]) -> dict[EventName, Mapping[str, Any]]:
    if not any(isinstance(value, Mapping) for value in event_vars.values()):
        return dict.fromkeys(names, event_vars)
    flat = [key for key, value in event_vars.items() if not isinstance(value, Mapping)]
    if flat:
        raise ValueError(f"event_vars mixes parameters for all events ({', '.join(flat)}) with parameters per event")
    per_event = dict(zip(parse_event_names(event_vars, names), event_vars.values(), strict=True))
    return {name: per_event.get(name, {}) for name in names}


def _pascal_keys(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"".join(word[:1].upper() + word[1:] for word in key.split("_")): value for key, value in entry.items()}
