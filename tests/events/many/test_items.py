# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import zlib

import pytest
from support.operators import JOB

from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.items import (
    CHUNK,
    MAX_DESCRIPTIONS,
    MAX_JOBS,
    MAX_PACKED,
    Item,
    chunks_of,
    pack_descriptions,
    pack_items,
    unpack_descriptions,
    unpack_items,
)
from airflow_batch_events.exceptions import ConfigurationError, SubmissionRecordError

NOTED = [
    Item(),
    Item(2, "job-12345678"),
    Item(1, "job-00000001", "SUCCEED", is_deleted=True),
    Item(3, None, "REFUSED", "no such image: \0\n\u2028\U0001f600", earlier=2),
    Item(1, "job-00000002", "FAILED", facts=JobFacts("exit_code", "main", 7, 2, (2, 137))),
]


def test_notes_come_back_as_they_were():
    assert unpack_items(pack_items(NOTED), len(NOTED)) == NOTED


def test_notes_of_another_version_may_lack_what_is_new():
    packed = base64.b64encode(zlib.compress(b'[[1,"job-1","SUCCEED"],[2]]')).decode()
    assert unpack_items(packed, 2) == [Item(1, "job-1", "SUCCEED"), Item(2)]


@pytest.mark.parametrize(
    "packed",
    [
        None,
        7,
        "",
        "no base64!",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b'[["one"]]')).decode(),
        base64.b64encode(zlib.compress(b"[[0]]")).decode(),
        base64.b64encode(zlib.compress(b"[[1]" + b" " * 2**24 + b"]")).decode(),
        pack_items([Item()])[:-8],
        "!" + pack_items([Item()]),
        pack_items([Item(), Item()]),
    ],
)
def test_notes_that_cannot_be_read_are_an_error(packed):
    with pytest.raises(SubmissionRecordError, match="Nothing was submitted"):
        unpack_items(packed, 1)


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (7, "a int, where text is expected"),
        (base64.b64encode(b"no zlib").decode(), "Error -3 while decompressing data: incorrect header check"),
        (pack_items(NOTED)[:-8], "cut off, or more than 16777216 bytes"),
    ],
)
def test_why_notes_cannot_be_read_is_in_the_traceback(packed, why):
    with pytest.raises(SubmissionRecordError) as caught:
        unpack_items(packed, len(NOTED))
    assert str(caught.value) == (
        "What was noted of the jobs of this task cannot be understood (ValueError). Nothing was submitted: run the "
        "task under the version of this package that has noted it, or start a new DAG run"
    )
    assert str(caught.value.__cause__) == why


def test_ten_thousand_notes_are_a_hundred_kilobytes():
    items = [Item(1, f"job-{hash(str(n)) % 36**8:08x}", "SUCCEED") for n in range(CHUNK)]
    assert chunks_of(MAX_JOBS) * len(pack_items(items)) < 130_000


def test_descriptions_come_back_line_by_line():
    jobs = [{**JOB, "JobName": f"part {n}\n\u2028"} for n in range(3)]
    import json

    assert [json.loads(line) for line in unpack_descriptions(pack_descriptions(jobs), 3)] == jobs


def test_descriptions_that_differ_little_pack_well():
    jobs = [{**JOB, "JobName": f"part-{n}"} for n in range(MAX_JOBS)]
    assert len(pack_descriptions(jobs)) < 40 * MAX_JOBS


@pytest.mark.parametrize(("jobs", "told"), [([{"a": "x" * 30_000_000}] * 3, "90"), ([{"a": "%"}], "")])
def test_descriptions_that_are_too_large_are_refused_with_the_way_out(monkeypatch, jobs, told):
    if not told:
        monkeypatch.setattr("airflow_batch_events.events.many.items.MAX_PACKED", 10)
    with pytest.raises(ConfigurationError, match="keep large inputs in object storage") as caught:
        pack_descriptions(jobs)
    assert told in str(caught.value)


TWO = [{"a": 1}, {"b": 2}]
SIZE, PACKED_SIZE = 16, len(pack_descriptions(TWO))


@pytest.mark.parametrize("limits", [{"MAX_DESCRIPTIONS": SIZE}, {"MAX_PACKED": PACKED_SIZE}])
def test_descriptions_of_the_largest_size_are_taken(monkeypatch, limits):
    for name, value in limits.items():
        monkeypatch.setattr(f"airflow_batch_events.events.many.items.{name}", value)
    assert len(unpack_descriptions(pack_descriptions(TWO), 2)) == 2


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (
            {"MAX_DESCRIPTIONS": SIZE - 1},
            f"have {SIZE} characters as JSON; {SIZE - 1} are allowed, {MAX_PACKED} packed:",
        ),
        (
            {"MAX_PACKED": PACKED_SIZE - 1},
            f"have {SIZE} characters as JSON, {PACKED_SIZE} when they are packed; "
            f"{MAX_DESCRIPTIONS} are allowed, {PACKED_SIZE - 1} packed:",
        ),
    ],
)
def test_a_refusal_says_how_large_descriptions_are(monkeypatch, limits, told):
    for name, value in limits.items():
        monkeypatch.setattr(f"airflow_batch_events.events.many.items.{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        pack_descriptions(TWO)
    assert str(caught.value) == (
        f"the 2 descriptions of jobs {told} keep large inputs in object storage and name them in the descriptions, or "
        f"divide the jobs among several tasks"
    )


@pytest.mark.parametrize(
    ("packed", "count", "told"),
    [
        (None, 1, "the packed descriptions cannot be read (ValueError)"),
        ("x", 1, "the packed descriptions cannot be read (ValueError)"),
        (
            base64.b64encode(zlib.compress(b"\xff")).decode(),
            1,
            "the packed descriptions cannot be read (UnicodeDecodeError)",
        ),
        (pack_descriptions([JOB]), 2, "there are 1 packed descriptions, where 2 are expected"),
    ],
)
def test_descriptions_that_cannot_be_read_are_an_error(packed, count, told):
    with pytest.raises(ConfigurationError) as caught:
        unpack_descriptions(packed, count)
    assert str(caught.value) == told
