# SPDX-License-Identifier: Apache-2.0
"""
Read the body of a queue message: the Batch events in it, or the reason why there are none.

Only one event body has ever been published by the vendor, so every field is optional here and unknown ones are kept.
The rule that must not be relaxed: nothing that a queue can deliver makes :func:`parse_message` raise, because one bad
body must not stop the reader that thousands of waits share.

Source: guide 599/17924 (envelope and the COMPUTE_NODE_CREATED body).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pendulum

from airflow_batch_events.events.catalog import EventName, find_event_name

_SAMPLE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)Z?", re.ASCII)

# A subscription wrapper around Base64 around an envelope is the deepest nesting that the cloud can produce.
_MAX_LAYERS = 3


class BatchEvent(msgspec.Struct, frozen=True):
    """
    One event as it was delivered.

    :param name: The event's name in the API's spelling where it is a known one, otherwise as delivered.
    :param time: EventTime in UTC, second resolution; None when it is missing or unreadable.
    :param region: For example ``ap-guangzhou``; empty when missing.
    :param batch: The ``Batch`` object, untouched.
    :param vars: The custom parameters that were configured with the event.
    """

    name: str
    time: pendulum.DateTime | None = None
    region: str = ""
    batch: Mapping[str, Any] = {}
    vars: Mapping[str, str] = {}

    @property
    def known_name(self) -> EventName | None:
        """The event as a member of the catalogue, or None for a name that is in no list."""
        return find_event_name(self.name)

    @property
    def job_id(self) -> str | None:
        return self._text("JobId")

    @property
    def job_name(self) -> str | None:
        return self._text("JobName")

    @property
    def task_name(self) -> str | None:
        return self._text("TaskName")

    @property
    def task_instance_index(self) -> int | None:
        index = self.batch.get("TaskInstanceIndex")
        try:
            return int(index) if index is not None else None
        except (TypeError, ValueError):
            return None

    @property
    def env_id(self) -> str | None:
        return self._text("EnvId")

    @property
    def env_name(self) -> str | None:
        return self._text("EnvName")

    @property
    def compute_node_id(self) -> str | None:
        return self._text("ComputeNodeId")

    @property
    def identity(self) -> tuple[object, ...]:
        """
        What makes two deliveries the same event.

        The envelope has no id, and CMQ's message id changes when the producer publishes again.
        """
        return (
            self.region,
            self.name,
            self.job_id,
            self.task_name,
            self.task_instance_index,
            self.env_id,
            self.compute_node_id,
            self.time,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-serialisable data, for XComs and trigger payloads."""
        return {
            "event_name": self.name,
            "event_time": self.time.to_iso8601_string() if self.time else None,
            "region": self.region,
            "event_vars": dict(self.vars),
            "job_id": self.job_id,
            "batch": dict(self.batch),
        }

    def _text(self, key: str) -> str | None:
        value = self.batch.get(key)
        return value if isinstance(value, str) and value else None


class ParsedMessage(msgspec.Struct, frozen=True):
    """
    What a body held.

    :param events: The events that could be read, in the order of the body.
    :param problem: Why the body, or a part of it, could not be read; None when all of it could. Never quotes the body.
    """

    events: tuple[BatchEvent, ...] = ()
    problem: str | None = None


def parse_message(body: str | bytes) -> ParsedMessage:
    """
    Read a message body: JSON, Base64 of JSON, or the JSON wrapper of an HTTP-format subscription around either.

    :param body: As the queue delivered it.
    :return: The events, or the reason why there are none; this function never raises.
    """
    layer: object = body
    for _ in range(_MAX_LAYERS):
        document = _decode(layer)
        if document is None:
            return ParsedMessage(problem="neither JSON nor Base64 of JSON")
        if not isinstance(document, dict):
            return ParsedMessage(problem=f"JSON {_json_type(document)} instead of an object")
        if "Events" in document:
            return _read_events(document["Events"])
        if "msgBody" not in document:
            return ParsedMessage(problem="JSON object without 'Events'")
        layer = document["msgBody"]
    return ParsedMessage(problem="too many wrappers around the event")


def _decode(layer: object) -> object | None:
    if isinstance(layer, dict):
        return layer
    if not isinstance(layer, str | bytes):
        return None
    decoded = _decode_json(layer)
    if decoded is not None:
        return decoded
    try:
        return _decode_json(base64.b64decode(layer.strip(), validate=True))
    except (binascii.Error, ValueError):
        return None


def _decode_json(text: str | bytes) -> object | None:
    try:
        decoded: object = msgspec.json.decode(text)
        return decoded
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _read_events(items: object) -> ParsedMessage:
    if not isinstance(items, list):
        return ParsedMessage(problem=f"'Events' is a JSON {_json_type(items)} instead of a list")
    events = []
    problem = None if items else "'Events' is empty"
    for position, item in enumerate(items):
        name = item.get("EventName") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(name, str) and name:
            events.append(_read_event(name, item))
        else:
            problem = f"Events[{position}] has no EventName"
    return ParsedMessage(tuple(events), problem)


def _read_event(name: str, item: dict[str, Any]) -> BatchEvent:
    region = item.get("Region")
    batch = item.get("Batch")
    known_name = find_event_name(name)
    return BatchEvent(
        name=known_name.value if known_name else name,
        time=parse_time(item.get("EventTime")),
        region=region if isinstance(region, str) else "",
        batch=batch if isinstance(batch, dict) else {},
        vars=_read_vars(item.get("EventVars")),
    )


def _read_vars(pairs: object) -> dict[str, str]:
    if not isinstance(pairs, list):
        return {}
    return {
        pair["Name"]: str(pair.get("Value", ""))
        for pair in pairs
        if isinstance(pair, dict) and isinstance(pair.get("Name"), str)
    }


def parse_time(text: object) -> pendulum.DateTime | None:
    """
    Read a time in either of the two spellings that the cloud's samples show, always as UTC.

    :param text: ``2018-06-15T14:43:17Z`` or ``2018-06-15 14:43:17``, or the like; what is no moment gives None.
    """
    if not isinstance(text, str):
        return None
    match = _SAMPLE_TIME.fullmatch(text)
    try:
        if match is not None:
            # Pendulum's parser takes seven times as long, and every event passes here.
            year, month, day, hour, minute, second = map(int, match.groups())
            return pendulum.DateTime(year, month, day, hour, minute, second, tzinfo=pendulum.UTC)
        # exact: a bare time of day must not be completed with today's date
        parsed = pendulum.parse(text, exact=True)
    except (ValueError, OverflowError):
        return None
    return parsed.in_timezone("UTC") if isinstance(parsed, pendulum.DateTime) else None


def _json_type(value: object) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
