# SPDX-License-Identifier: Apache-2.0
"""
How the TC3 APIs read requests and write answers: types, times, pages and filters.

The real service is lenient about JSON types (its own guide sends ``"Priority": "1"``) but not about names, so values
are coerced and unknown fields are refused. Each refusal carries the error code that the API documents for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from tencent_batch_emulator.services.base import ApiError, Params

T = TypeVar("T")
Item = TypeVar("Item")

_MISSING = re.compile(r"missing required field `(\w+)`(?: - at `\$\.?(.*)`)?")
_UNKNOWN = re.compile(r"contains unknown field `(.*?)`(?: - at `\$\.?(.*)`)?")
_TYPE = re.compile(r"(.*) - at `\$\.?(.*)`")

MAX_LIST = 100
"""How many ids, filters or filter values one request may carry."""


class Tc3Struct(msgspec.Struct, rename="pascal", forbid_unknown_fields=True, kw_only=True):
    """A request or a part of one; field names are the API's own in snake case."""


class Tag(Tc3Struct):
    """A key and a value on a job, an environment or a template."""

    key: str
    value: str


class Filter(Tc3Struct):
    """A name and the values of which one must match."""

    name: str
    values: list[str]


def read(params: Params, request: type[T], *, type_error: str = "InvalidParameterValue") -> T:
    """
    Turn request parameters into a typed request.

    :param params: The parameters as they were sent; null counts as absent.
    :param request: What they must be.
    :param type_error: The code for a value of the wrong type; the API documents different ones for different actions.
    :raises ApiError: MissingParameter, UnknownParameter or ``type_error``, naming the field by its path.
    """
    try:
        return msgspec.convert(_without_null(params), request, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
    if found := _MISSING.search(text):
        raise ApiError("MissingParameter", f"The parameter {_path(found[2], found[1])} is required.")
    if found := _UNKNOWN.search(text):
        raise ApiError("UnknownParameter", f"The parameter {_path(found[2], found[1])} is not defined.")
    if found := _TYPE.fullmatch(text):
        raise ApiError(type_error, f"The parameter {found[2]} has the wrong type: {found[1]}.")
    raise ApiError(type_error, f"The request has the wrong type: {text}.")


def write(value: Any) -> Any:
    """Turn a part of a request back into the dictionaries and lists that were sent, without absent fields."""
    return _without_null(msgspec.to_builtins(value))


def _without_null(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return value


def _path(parent: str | None, field: str) -> str:
    return f"{parent}.{field}" if parent else field


def iso(seconds: float | None) -> str | None:
    """Return Unix seconds as ``YYYY-MM-DDThh:mm:ssZ``."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str, field: str) -> float:
    """Return the Unix seconds of an ISO 8601 time in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        expected = "expected UTC in the form YYYY-MM-DDThh:mm:ssZ"
        raise ApiError("InvalidParameterValue", f"{field}={text!r} is not a time; {expected}.") from None


def page(
    items: Sequence[Item], offset: int, limit: int, maximum: int, *, negative: str = "InvalidParameterValue"
) -> Sequence[Item]:
    """
    Cut one page out of a list.

    :param negative: The code for a negative offset; DescribeTaskLogs has one of its own.
    """
    if offset < 0:
        raise ApiError(negative, f"Offset={offset} is negative.")
    if not 1 <= limit <= maximum:
        raise ApiError(negative if limit < 0 else "InvalidParameterValue", f"Limit={limit} is not in 1-{maximum}.")
    return items[offset : offset + limit]


def at_most(count: int, field: str, maximum: int = MAX_LIST) -> None:
    """Refuse a list that is too long."""
    if count > maximum:
        raise ApiError("InvalidParameterValue.LimitExceeded", f"{field} has {count} elements; at most {maximum}.")


def not_together(ids: Sequence[object] | None, filters: Sequence[object] | None, name: str) -> None:
    """Refuse ids and filters in one request."""
    if ids and filters:
        raise ApiError("InvalidParameter.InvalidParameterCombination", f"{name} and Filters cannot be given together.")


def matching(
    items: Iterable[Item],
    filters: Sequence[Filter] | None,
    values_of: Mapping[str, Callable[[Item], Iterable[str]]],
    tags_of: Callable[[Item], Sequence[Tag]] | None = None,
) -> list[Item]:
    """
    Keep the items that match every filter with at least one of its values.

    :param values_of: Per filter name, what an item offers to compare with.
    :param tags_of: The tags of an item, where ``tag-key``, ``tag-value`` and ``tag:<key>`` are understood.
    :raises ApiError: InvalidFilter for a name that is not supported.
    """
    filters = filters or []
    at_most(len(filters), "Filters")
    wanted = []
    for one in filters:
        at_most(len(one.values), f"Filters {one.name!r} Values")
        wanted.append((_getter(one.name, values_of, tags_of), frozenset(one.values)))
    return [item for item in items if all(not values.isdisjoint(getter(item)) for getter, values in wanted)]


def _getter(
    name: str,
    values_of: Mapping[str, Callable[[Item], Iterable[str]]],
    tags_of: Callable[[Item], Sequence[Tag]] | None,
) -> Callable[[Item], Iterable[str]]:
    if name in values_of:
        return values_of[name]
    names = sorted(values_of)
    if tags_of is not None:
        if name == "tag-key":
            return lambda item: (tag.key for tag in tags_of(item))
        if name == "tag-value":
            return lambda item: (tag.value for tag in tags_of(item))
        if name.startswith("tag:"):
            return lambda item: (tag.value for tag in tags_of(item) if tag.key == name[4:])
        names += ["tag-key", "tag-value", "tag:<key>"]
    raise ApiError("InvalidFilter", f"The filter {name!r} is not supported; supported are {', '.join(names)}.")
