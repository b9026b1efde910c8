# SPDX-License-Identifier: Apache-2.0
"""
Lists: which things, and which page of them.

The total is that of all that match, so that a client can page by it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, TypeVar

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.cmq.names import fold
from tencent_batch_emulator.services.tc3_schema import page
from tencent_batch_emulator.services.tdmq.schema import Page, TaggedPage
from tencent_batch_emulator.services.tdmq.views import View

DEFAULT_LIMIT = 20
MAX_LIMIT = 50


class Named(Protocol):
    """A queue, a topic or a subscription."""

    name: str


class Tagged(Named, Protocol):
    """A queue or a topic."""

    tags: list[dict[str, str]]


Thing = TypeVar("Thing")
NamedThing = TypeVar("NamedThing", bound=Named)
TaggedThing = TypeVar("TaggedThing", bound=Tagged)


def paged(things: Sequence[Thing], request: Page, key: str, view: Callable[[Thing], View]) -> View:
    """
    Show one page.

    :param key: Under which name the page is answered.
    :raises ApiError: InvalidParameterValue for an offset without limit, or one of them out of range.
    """
    if request.offset and request.limit is None:
        raise ApiError("InvalidParameterValue", "Offset needs Limit: send both.")
    limit = DEFAULT_LIMIT if request.limit is None else request.limit
    part = page(things, request.offset, limit, MAX_LIMIT)
    return {"TotalCount": len(things), key: [view(thing) for thing in part]}


def named(things: Iterable[NamedThing], part: str, names: Collection[str] = ()) -> list[NamedThing]:
    """
    Keep the things with a name.

    :param part: Occurs in the name.
    :param names: One of them is the name; none for any.
    """
    wanted = {fold(name) for name in names}
    return [thing for thing in things if fold(part) in fold(thing.name) and (not wanted or fold(thing.name) in wanted)]


def tagged(things: Iterable[TaggedThing], request: TaggedPage) -> list[TaggedThing]:
    """
    Keep the things that have, for every filter, its tag with one of its values.

    :raises ApiError: InvalidParameterValue for a filter that is not ``tag:<key>``, or without ``IsTagFilter``.
    """
    if request.filters and not request.is_tag_filter:
        raise ApiError("InvalidParameterValue", "Filters need IsTagFilter=true.")
    for one in request.filters:
        if not one.name.startswith("tag:"):
            raise ApiError("InvalidParameterValue", f"The filter {one.name!r} is not supported; use tag:<key>.")
    return [
        thing
        for thing in things
        if all(
            any(tag["TagKey"] == one.name[4:] and tag["TagValue"] in one.values for tag in thing.tags)
            for one in request.filters
        )
    ]
