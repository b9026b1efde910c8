# SPDX-License-Identifier: Apache-2.0
"""
Find everything in the account that has certain tags.

The rule that must not be relaxed: an incomplete list is no list. What one page lacks could be the job that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_events.exceptions import TransportError

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request
    from airflow_batch_events.protocol.apis.tagged_answers import Tagged, TaggedPage

MAX_CALLS = 10
"""Calls of one search: an account may have 1,000 jobs, and a call shows 100."""


def find_tagged(
    send: Callable[[Request[TaggedPage]], TaggedPage],
    describe: Callable[..., Request[TaggedPage]],
    tags: Mapping[str, str],
) -> list[Tagged]:
    """
    Return all that have the tags.

    :param send: Sends a request to the Batch API.
    :param describe: Builds the request for one page: ``describe_tagged_jobs`` or ``describe_tagged_compute_envs``.
    :param tags: The tags, all of which must match.
    :raises CloudError: When the API does not tell.
    """
    found: dict[str, Any] = {}
    for _ in range(MAX_CALLS):
        page = send(describe(tags, offset=len(found)))
        more = {item.id: item for item in page.items if item.id not in found}
        found |= more
        if len(more) < len(page.items) or len(found) > page.total or (len(found) < page.total and not more):
            raise TransportError("the pages of the list contradict each other")
        if len(found) == page.total:
            return list(found.values())
    raise TransportError(f"the list does not end within {MAX_CALLS} pages")
