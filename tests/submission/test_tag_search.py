# SPDX-License-Identifier: Apache-2.0
"""A list is found whole, or not at all."""

from __future__ import annotations

import pytest

from airflow_batch_events.exceptions import TransportError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.protocol.apis.tagged_answers import Tagged, TaggedPage
from airflow_batch_events.submission.tag_search import MAX_CALLS, find_tagged

TAGS = {"k": "v"}


def page(total: int, *numbers: int) -> TaggedPage:
    return TaggedPage(total, tuple(Tagged(f"job-{number}", TAGS) for number in numbers))


class Api:
    """Answers with one page after the other, and notes where each was to begin."""

    def __init__(self, *pages: TaggedPage) -> None:
        self.pages = list(pages)
        self.offsets: list[int] = []

    def send(self, request: Request[TaggedPage]) -> TaggedPage:
        self.offsets.append(request.params["Offset"])
        return self.pages.pop(0)

    def found(self) -> list[str]:
        return [tagged.id for tagged in find_tagged(self.send, batch.describe_tagged_jobs, TAGS)]


def test_all_pages_are_read() -> None:
    api = Api(page(5, 0, 1), page(5, 2, 3), page(5, 4))
    assert api.found() == [f"job-{number}" for number in range(5)]
    assert api.offsets == [0, 2, 4]


def test_where_there_is_nothing_one_call_says_so() -> None:
    api = Api(page(0))
    assert api.found() == []
    assert api.offsets == [0]


@pytest.mark.parametrize(
    "pages",
    [
        [page(1)],
        [page(0, 1)],
        [page(2, 1, 1)],
        [page(3, 1, 2), page(3, 2)],
        [page(3, 1, 2), page(1, 3)],
        [page(3, 1, 2), page(3)],
    ],
    ids=["nothing of 1", "1 of nothing", "one twice", "one again", "too many", "no further"],
)
def test_pages_that_contradict_each_other_are_no_list(pages: list[TaggedPage]) -> None:
    with pytest.raises(TransportError, match="contradict"):
        Api(*pages).found()


def test_a_list_that_does_not_end_is_no_list() -> None:
    api = Api(*(page(10**6, number) for number in range(2 * MAX_CALLS)))
    with pytest.raises(TransportError, match=f"{MAX_CALLS} pages"):
        api.found()
    assert len(api.offsets) == MAX_CALLS
