# SPDX-License-Identifier: Apache-2.0
"""
Which subscription wants a message: filter tags and binding keys.

In a binding key ``*`` is exactly one word and ``#`` any number of words, none included; words are what dots separate.

Sources:

- tags: https://cloud.tencent.com/document/product/1496/61024
- binding keys: https://cloud.tencent.com/document/product/1496/61026
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.limits import Limits


def tags_match(filter_tags: Collection[str], tags: Collection[str]) -> bool:
    """Return whether a subscription with ``filter_tags`` wants a message with ``tags``."""
    return not filter_tags or any(tag in filter_tags for tag in tags)


def key_matches(binding_key: str, routing_key: str) -> bool:
    """Return whether a binding key covers a routing key."""
    words = routing_key.split(".")
    # reached[i]: the pattern read so far can cover exactly the first i words.
    reached = [True] + [False] * len(words)
    for part in binding_key.split("."):
        if part == "#":
            first = reached.index(True) if True in reached else len(reached)
            reached = [index >= first for index in range(len(reached))]
        else:
            reached = [False] + [
                before and part in ("*", word) for before, word in zip(reached[:-1], words, strict=True)
            ]
    return reached[-1]


def check_key(key: str, limits: Limits) -> None:
    """
    Refuse a routing or binding key that is too long or has too many dots.

    :raises CmqFault: 4000.
    """
    if len(key.encode()) > limits.key_bytes:
        raise errors.out_of_range("key", f"{key!r} has more than {limits.key_bytes} bytes")
    if key.count(".") > limits.key_dots:
        raise errors.too_many_delimiters(key)


def check_tags(name: str, tags: Sequence[str], longest: int) -> None:
    """
    Refuse a tag that is empty or too long.

    :param name: What the tags are for.
    :param longest: Characters.
    :raises CmqFault: 4000.
    """
    for tag in tags:
        if not 1 <= len(tag) <= longest:
            raise errors.out_of_range(name, f"{tag!r} must have from 1 to {longest} characters")
