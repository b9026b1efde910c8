# SPDX-License-Identifier: Apache-2.0
"""
Read single fields of the TC3 APIs' answers, which may be null, missing or spelled in two ways.

A field that cannot be read is empty: it must not cost the rest of the answer.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_DATA_URL = re.compile(r"\Adata:[^,]*,")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


_UNSHOWN = frozenset({"raw", "stdout", "stderr"})


class View(msgspec.Struct, frozen=True):
    """
    What a class of answers is made from.

    Not a dataclass: every DAG file imports some twenty of these classes, and each dataclass takes most of a millisecond
    to make. The long fields, and those that may hold a job's secrets, are not shown.
    """

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _UNSHOWN]
        return f"{type(self).__name__}({', '.join(shown)})"


def text(answer: Mapping[str, Any], name: str) -> str:
    """Return a field as text; empty when it is null or missing."""
    value = answer.get(name)
    return "" if value is None else str(value)


def whole(answer: Mapping[str, Any], name: str) -> int | None:
    """Return a field as a whole number; None when it is null, missing or no number."""
    try:
        return int(answer[name])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def state(answer: Mapping[str, Any], name: str) -> str:
    """
    Return the field that says what state something is in.

    :raises ValueError: When it is null, missing, empty or no text: then nothing is known.
    """
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {type(value).__name__}, not the name of a state")
    return value


def identifier(answer: Mapping[str, Any], name: str) -> str:
    """
    Return the field that holds the id of what was made.

    :raises ValueError: When it cannot be one: the caller must learn that nothing is known of what it made.
    """
    value = answer.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{name} is {type(value).__name__}, not an id")
    return value


def about(name: str, value: str, read: Callable[[dict[str, Any]], T]) -> Callable[[dict[str, Any]], T]:
    """Return the reader of an answer about one object, which refuses the answer about another one as no answer."""

    def read_what_was_asked_for(answer: dict[str, Any]) -> T:
        if answer.get(name) != value:
            raise ValueError(f"its {name} is not the one that was asked for")
        return read(answer)

    return read_what_was_asked_for


def entries(name: str, read: Callable[[dict[str, Any]], T]) -> Callable[[Mapping[str, Any]], list[T]]:
    """Return the reader of a list of objects, which is empty when it is null or missing."""
    return lambda answer: [read(entry) for entry in answer.get(name) or ()]


def readable(items: object, read: Callable[[dict[str, Any]], T]) -> tuple[T, ...]:
    """Return what can be read of a list of objects: an entry that cannot must not cost the others."""
    found = []
    for item in items if isinstance(items, list) else ():
        try:
            found.append(read(item))
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
            continue
    return tuple(found)


def counts(answer: Mapping[str, Any], name: str) -> dict[str, int]:
    """Return an object of counters, those that are none left out."""
    counters = answer.get(name)
    if not isinstance(counters, dict):
        return {}
    read = {key: whole(counters, key) for key in counters}
    return {key: value for key, value in read.items() if value is not None}


def decoded_log(value: object) -> str:
    """
    Decode what a task instance wrote: Base64, with or without a data URL's head, with or without padding.

    The API cuts output at 2,048 bytes, perhaps inside a character; what cannot be decoded is replaced.
    """
    if not isinstance(value, str):
        return ""
    encoded = _DATA_URL.sub("", value).replace("-", "+").replace("_", "/")
    encoded = _NOT_BASE64.sub("", encoded)
    # A single character over whole groups of four carries less than a byte.
    if len(encoded) % 4 == 1:
        encoded = encoded[:-1]
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode(errors="replace")
    except binascii.Error:
        return ""
