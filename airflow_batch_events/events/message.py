# SPDX-License-Identifier: Apache-2.0
"""
Read the body of a queue message: the Batch events in it, or the reason why there are none.

Only one event body has ever been published by the vendor, so every field is optional here and unknown ones are kept.
Two rules must not be relaxed, because all waits on a queue share its reader: nothing that a queue can deliver makes
:func:`parse_message` raise, and reading a body costs a small multiple of its length. An entry of ``Events`` that cannot
be read takes no other with it.

Source: guide 599/17924 (envelope and the COMPUTE_NODE_CREATED body).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec
import pendulum

from airflow_batch_events.events.catalog import EventName, find_event_name
from airflow_batch_events.times import parse_time

# A subscription wrapper around an envelope is the deepest nesting that the cloud can produce.
_MAX_LAYERS = 3

# Base64 in Base64, and a JSON string around it, are what forwarders add.
_MAX_ENCODINGS = 4

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
# Both halves of a surrogate pair, one of them alone, or any other escape, an escaped backslash among them.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|u[dD][89a-fA-F]\w\w|.)", re.ASCII | re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
_HALF_LENGTH = len(r"\ud800")

_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_AROUND = " \t\r\n\0\ufeff"


class EventDict(TypedDict):
    """A :class:`BatchEvent` as XCom and trigger payloads hold it."""

    event_name: str
    event_time: str | None
    region: str
    event_vars: dict[str, str]
    job_id: str | None
    batch: dict[str, Any]


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
        """The event as a member of the catalog, or None for a name that is in no list."""
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
        except (OverflowError, TypeError, ValueError):
            return None

    @property
    def env_id(self) -> str | None:
        return self._text("EnvId")

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

    def to_dict(self) -> EventDict:
        """Return the event as JSON-serializable data, for XComs and trigger payloads."""
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
    Read a message body: JSON, or the JSON wrapper of an HTTP-format subscription around it.

    Either may be Base64, also doubled, in lines, URL-safe or without padding; a JSON string; UTF-8, UTF-16 or UTF-32,
    with or without a byte-order mark; with blanks around it. A part of a character is read as U+FFFD.

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
    """Return the JSON document that a layer holds, however it is encoded."""
    for _ in range(_MAX_ENCODINGS):
        if not isinstance(layer, str | bytes):
            return layer
        text = _as_text(layer)
        document = _decode_json(text)
        layer = _decode_base64(text) if document is None else document
    return layer if isinstance(layer, dict) else None


def _as_text(layer: str | bytes) -> str:
    # A name that was cut may end in half a character; the rest of the event is as good as any.
    if isinstance(layer, bytes):
        layer = layer.decode(json.detect_encoding(layer), "replace")
    elif not layer.isascii():
        layer = _HALF.sub("\ufffd", layer)
    return layer.strip(_AROUND)


def _decode_json(text: str) -> object | None:
    try:
        decoded: object = msgspec.json.decode(text)
        return decoded
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        whole = _ESCAPE.sub(_without_half, text)
        return None if whole == text else _decode_json(whole)


def _without_half(escape: re.Match[str]) -> str:
    return r"\ufffd" if len(escape[0]) == _HALF_LENGTH else escape[0]


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        # Not as most senders write it: in lines, for URLs, or without padding.
        encoded = "".join(text.split())
    if not _BASE64.fullmatch(encoded):
        return None
    try:
        # Padding that is not needed is ignored.
        return base64.b64decode(encoded.translate(_STANDARD_ALPHABET) + "==")
    except binascii.Error:
        return None


def _read_events(items: object) -> ParsedMessage:
    if not isinstance(items, list):
        return ParsedMessage(problem=f"'Events' is a JSON {_json_type(items)} instead of a list")
    events = []
    problem = None if items else "'Events' is empty"
    for position, item in enumerate(items):
        name = item.get("EventName") if isinstance(item, dict) else None
        if not (isinstance(item, dict) and isinstance(name, str) and name):
            problem = f"Events[{position}] has no EventName"
            continue
        try:
            events.append(_read_event(name, item))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to this entry
            problem = f"Events[{position}] cannot be read ({type(error).__name__})"
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


def _json_type(value: object) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
