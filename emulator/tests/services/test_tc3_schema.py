# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.tc3_schema import Tag, Tc3Struct, iso, page, parse_iso, read, write


class Part(Tc3Struct):
    max_retry_count: int = 0


class Request(Tc3Struct):
    job_name: str
    part: Part | None = None
    tags: list[Tag] | None = None


def test_names_are_the_apis_own_and_numbers_may_come_as_text() -> None:
    request = read({"JobName": "a", "Part": {"MaxRetryCount": "3"}, "Tags": None}, Request)
    assert request == Request(job_name="a", part=Part(max_retry_count=3))
    assert write(request) == {"JobName": "a", "Part": {"MaxRetryCount": 3}}


@pytest.mark.parametrize(
    ("params", "code", "path"),
    [
        ({}, "MissingParameter", "JobName"),
        ({"JobName": "a", "Tags": [{"Key": "k"}]}, "MissingParameter", r"Tags\[0\]\.Value"),
        ({"JobName": "a", "Jobname": "b"}, "UnknownParameter", "Jobname"),
        ({"JobName": "a", "Part": {"MaxRetries": 1}}, "UnknownParameter", r"Part\.MaxRetries"),
        ({"JobName": "a", "Part": {"MaxRetryCount": "many"}}, "InvalidParameterValue", r"Part\.MaxRetryCount"),
    ],
)
def test_a_refusal_names_the_field_by_its_path(params: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(ApiError, match=path) as refused:
        read(params, Request)
    assert refused.value.code == code


def test_times_go_there_and_back() -> None:
    assert iso(1_700_000_000.9) == "2023-11-14T22:13:20Z"
    assert parse_iso("2023-11-14T22:13:20Z", "StartTime") == 1_700_000_000
    with pytest.raises(ApiError, match="StartTime"):
        parse_iso("2023-11-14", "StartTime")


def test_a_page_is_cut_within_its_bounds() -> None:
    assert page(range(10), 8, 5, 100) == range(8, 10)
    for offset, limit in ((-1, 5), (0, 0), (0, 101)):
        with pytest.raises(ApiError):
            page(range(10), offset, limit, 100)
