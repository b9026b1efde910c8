# SPDX-License-Identifier: Apache-2.0
"""
What is noted of each of many jobs, and how notes and descriptions are packed to be stored.

Notes are stored in chunks, so that what changes in a second is a few kilobytes, however many jobs there are. The rule
that must not be relaxed: what is read back was stored by somebody, perhaps by another version, so it is read here, with
bounds, and what cannot be read is an error and never "nothing was submitted".
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.exceptions import ConfigurationError, SubmissionRecordError

MAX_JOBS = 10_000
"""Jobs of one task at the most."""

CHUNK = 1_000
"""Jobs whose notes are stored together."""

MAX_DESCRIPTIONS = 64 * 2**20
"""Characters of all descriptions, as JSON: a triggerer holds them until they are submitted."""

MAX_PACKED = 2 * 2**20
"""Characters of all descriptions, packed: what Airflow's database and every start of a triggerer carry."""

_MAX_CHUNK = 16 * 2**20


class Item(msgspec.Struct, array_like=True, gc=False):
    """
    One of many jobs; what is noted of it.

    :param number: Its submission: 1 for the first, one more each time that a failed one is submitted anew.
    :param job_id: Its job, once SubmitJob has answered.
    :param state: How that ended, as the API spells it, or as an outcome does; None until then.
    :param reason: Why, in words, where the state does not say it.
    :param is_deleted: Whether the job was deleted afterwards.
    :param earlier: The last submission that may be an earlier try's, whose failure leads to the next one; 0 for none.
    :param facts: Why it has failed, where that was read.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    job_id: str | None = None
    state: str | None = None
    reason: str | None = None
    is_deleted: bool = False
    earlier: int = 0
    facts: JobFacts | None = None

    @property
    def may_be_earlier(self) -> bool:
        """Whether an earlier try may have submitted the job already, and seen it fail."""
        return self.number <= self.earlier


def chunks_of(count: int) -> int:
    """Return how many chunks the notes of so many jobs have."""
    return -(-count // CHUNK)


def pack_items(items: Sequence[Item]) -> str:
    """Return the notes of a chunk, packed."""
    return _packed(msgspec.json.encode(items))


def unpack_items(packed: object, count: int) -> list[Item]:
    """
    Read the notes of a chunk.

    :param packed: What :func:`pack_items` has returned.
    :param count: How many jobs it has.
    :raises SubmissionRecordError: When it cannot be understood, or has another number of jobs.
    """
    try:
        items = msgspec.json.decode(_unpacked(packed, _MAX_CHUNK), type=list[Item])
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise SubmissionRecordError(
            f"What was noted of the jobs of this task cannot be understood ({type(error).__name__}). Nothing was "
            f"submitted: run the task under the version of this package that has noted it, or start a new DAG run"
        ) from error
    if len(items) != count:
        raise SubmissionRecordError(
            f"What was noted of the jobs of this task is about {len(items)} jobs, where {count} are expected. Nothing "
            f"was submitted: start a new DAG run"
        )
    return items


def pack_descriptions(descriptions: Sequence[Mapping[str, Any]]) -> str:
    """
    Return descriptions, packed: descriptions that differ little take some 20 characters each.

    :raises ConfigurationError: When they are too large to travel, with the way out.
    """
    lines = [json.dumps(one, separators=(",", ":")) for one in descriptions]
    size = sum(map(len, lines)) + len(lines)
    # A line break within a text is escaped by JSON, so one between two descriptions is none of theirs.
    packed = "" if size > MAX_DESCRIPTIONS else _packed("\n".join(lines).encode())
    if size > MAX_DESCRIPTIONS or len(packed) > MAX_PACKED:
        raise ConfigurationError(
            f"the {len(lines)} descriptions of jobs have {size} characters as JSON"
            + (f", {len(packed)} when they are packed" if packed else "")
            + f"; {MAX_DESCRIPTIONS} are allowed, {MAX_PACKED} packed: keep large inputs in object storage and name "
            f"them in the descriptions, or divide the jobs among several tasks"
        )
    return packed


def unpack_descriptions(packed: object, count: int) -> list[str]:
    """
    Return the descriptions, each as the text of a JSON object.

    :param packed: What :func:`pack_descriptions` has returned.
    :param count: How many there are.
    :raises ConfigurationError: When it is something else.
    """
    try:
        lines = _unpacked(packed, MAX_DESCRIPTIONS).decode().split("\n")
    except ValueError as error:
        raise ConfigurationError(f"the packed descriptions cannot be read ({type(error).__name__})") from error
    if len(lines) != count:
        raise ConfigurationError(f"there are {len(lines)} packed descriptions, where {count} are expected")
    return lines


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(packed: object, most: int) -> bytes:
    if not isinstance(packed, str):
        raise ValueError(f"a {type(packed).__name__}, where text is expected")
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(base64.b64decode(packed, validate=True), most)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError(f"cut off, or more than {most} bytes")
    return data
