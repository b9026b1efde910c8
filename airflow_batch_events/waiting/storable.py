# SPDX-License-Identifier: Apache-2.0
"""
Make a value storable: what leaves a trigger goes through all that Airflow does with it, and none of that takes all that
JSON can spell.

A trigger's event is written as msgpack (integers of 64 bits), logged, serialized by the Task SDK (which reads some keys
as its own), stored in PostgreSQL's JSONB (no NUL, no lone surrogates) or MySQL's JSON (100 levels, keys of 64 KiB), and
read by a worker. The rule that must not be relaxed: an event that one of them refuses ends the whole triggerer, so
nothing leaves a trigger that has not passed here.

Everything that a trigger fires is made by :func:`fire`.

Sources: MySQL 8.4 manual, "The JSON Data Type"; PostgreSQL 17 manual, section 8.14; ``airflow.sdk.serde``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.serialization import RESERVED_KEYS, Payload
from airflow_batch_events.exceptions import NotStorableError

MAX_DEPTH = 32
"""Levels of a value: MySQL takes 100, and an older serialization of Airflow makes two of each."""

MAX_SIZE = 5 * 2**19
"""
Bytes of a value in UTF-8, and eight for each item in it: a queue's message has at most 1 MiB, which a payload may hold
twice, as its text and as what was read from it. A triggerer hands all that has fired in a second to its supervisor at
once, about 200 KiB between two queries of the database, and is taken for dead after 30 seconds of that.
"""

MAX_KEY = 16_000
"""Characters of a key: MySQL takes 65,535 bytes."""

REPLACEMENT = "\ufffd"
"""What stands for a character that cannot be stored."""

_ITEM = 8
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_INTEGERS = range(-(2**63), 2**63)


def fire(payload: Mapping[str, Any]) -> TriggerEvent:
    """
    Return the event with this payload, as Airflow can carry it.

    :raises NotStorableError: When it cannot.
    """
    return TriggerEvent(Payload(storable(payload)))


def storable(value: Any) -> Any:
    """
    Return the value as Airflow and its databases can carry it.

    NUL characters and lone surrogates are replaced, numbers beyond 64 bits and those that are not finite become text,
    keys that Airflow would take for its own get an underscore at their end, and every collection is a list.

    :param value: What JSON can spell, in Python's types.
    :raises NotStorableError: When it is too deep or too large, when two keys would become one, or when it holds what
        JSON has no type for.
    """
    return _Copy().of(value, MAX_DEPTH)


class _Copy:
    """One copy, which knows how much room is left."""

    def __init__(self) -> None:
        self._left = MAX_SIZE

    def of(self, value: Any, depth: int) -> Any:
        self._take(_ITEM)
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if value in _INTEGERS else self._text(_digits(value))
        if isinstance(value, float):
            return self._number(float(value))
        if depth == 0:
            raise NotStorableError(f"it has more than {MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            return self._mapping(value, depth - 1)
        if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
            return [self.of(item, depth - 1) for item in value]
        raise NotStorableError(f"it holds a {type(value).__name__}")

    def _number(self, number: float) -> Any:
        # JSONB writes a large number in digits, without a point: the worker would read an integer beyond 64 bits.
        return number if abs(number) < 2.0**63 else repr(number)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            name = self._key(key)
            if name in copy:
                raise NotStorableError("two of its keys would become one")
            copy[name] = self.of(item, depth)
        return copy

    def _key(self, key: Any) -> str:
        if isinstance(key, str):
            name = self._text(key)
        elif key is None or isinstance(key, int | float):
            name = self._text(_digits(key) if isinstance(key, int) else str(key))
        else:
            raise NotStorableError(f"it has a key that is a {type(key).__name__}")
        if len(name) > MAX_KEY:
            raise NotStorableError(f"it has a key of more than {MAX_KEY} characters")
        return f"{name}_" if name in RESERVED_KEYS else name

    def _text(self, text: str) -> str:
        if type(text) is str and text.isascii() and "\0" not in text:
            self._take(len(text))
            return text
        clean = _UNSTORABLE.sub(REPLACEMENT, str.__str__(text))
        self._take(len(clean.encode()))
        return clean

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise NotStorableError(f"it is larger than {MAX_SIZE} bytes")


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError as error:
        raise NotStorableError("it holds an integer that is too long to be written") from error
