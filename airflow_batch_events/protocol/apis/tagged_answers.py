# SPDX-License-Identifier: Apache-2.0
"""
The Batch API's lists of what has certain tags.

The rule that must not be relaxed: such a list is read whole or not at all, because what it lacks is taken for something
that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_events.protocol.apis.fields import View, identifier


class Tagged(View, frozen=True):
    """
    A job or a compute environment, and its tags.

    :param id: The job's id, or the environment's.
    """

    id: str
    tags: dict[str, str]


class TaggedPage(View, frozen=True):
    """
    One page of what has certain tags.

    :param total: How many there are on all pages.
    """

    total: int
    items: tuple[Tagged, ...]


def read_tagged_page(set_name: str, id_name: str, tags: Mapping[str, str], answer: Mapping[str, Any]) -> TaggedPage:
    """
    Read a page of what has certain tags.

    :param set_name: The field that holds the list, for example ``JobSet``.
    :param id_name: The field that holds an entry's id.
    :param tags: The tags that were asked for.
    :param answer: The answer, whatever is in it.
    :raises ValueError: When it does not say how many there are, an entry cannot be read, or one has other tags: then it
        is not known what there is.
    """
    total, listed = answer.get("TotalCount"), answer[set_name]
    if not isinstance(total, int) or isinstance(total, bool):
        raise ValueError("it does not say how many there are")
    items = []
    for entry in listed or ():
        found = {tag["Key"]: tag["Value"] for tag in entry["Tags"]}
        if not tags.items() <= found.items():
            raise ValueError("it lists what has other tags")
        items.append(Tagged(identifier(entry, id_name), found))
    return TaggedPage(total, tuple(items))
