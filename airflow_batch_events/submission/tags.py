# SPDX-License-Identifier: Apache-2.0
"""
What a task writes into the tags of what it submits, so that a later try finds it there.

The rule that must not be relaxed: no tag has more than about a thousand different values, however many tasks run. Tags
stay in the account when the job is gone, and an account has room for a million pairs of key and value
(https://cloud.tencent.com/document/product/651/13354), before 2025 for a thousand values of a key: a hash in one value
would use that up, and then nobody in the account could tag anything any more. So what identifies a task instance is
spread over several tags of three digits.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.limits import MAX_TAGS

IDENTITY_KEYS = tuple(f"airflow-task-instance-{number}" for number in range(1, 5))
"""The tags that are searched for. Renaming any makes deployed operators forget their running jobs."""

SUBMISSION_KEY = "airflow-submission"
"""The submission's number and, after a dot, ``max_tries`` of a task whose job is ended when it is cleared."""

DESCRIPTION_KEY = "airflow-job-description"
"""A digest of the description."""

OWN_KEYS = (*IDENTITY_KEYS, SUBMISSION_KEY, DESCRIPTION_KEY)

_DIGITS = 3
_SUBMISSION = re.compile(r"([1-9][0-9]{0,8})(?:\.(-?[0-9]{1,9}))?")
_DIGEST = re.compile(rf"[0-9]{{{_DIGITS}}}")


class TagRecord(msgspec.Struct, frozen=True):
    """
    What the tags say of a submission.

    :param number: 1 for the first.
    :param digest: As :func:`short_digest` returns it.
    :param max_tries: ``max_tries`` of the task instance when it submitted, where its job is ended when it is cleared.
    """

    number: int
    digest: str
    max_tries: int | None = None


def identity_tags(dag_id: str, task_id: str, run_id: str, map_index: int | None) -> dict[str, str]:
    """Return the tags of everything that a task instance submits, and of nothing that another one does."""
    identity = json.dumps([dag_id, task_id, run_id, map_index])
    digits = _digits_of(hashlib.sha256(identity.encode()).hexdigest(), _DIGITS * len(IDENTITY_KEYS))
    return {key: digits[at * _DIGITS : (at + 1) * _DIGITS] for at, key in enumerate(IDENTITY_KEYS)}


def short_digest(digest: str) -> str:
    """
    Return as much of a description's digest as a tag keeps: one change in a thousand is not seen by it.

    :param digest: Hexadecimal digits.
    """
    return _digits_of(digest, _DIGITS)


def record_tags(record: TagRecord) -> dict[str, str]:
    """Return the tags that hold the record."""
    cleared = "" if record.max_tries is None else f".{record.max_tries}"
    return {SUBMISSION_KEY: f"{record.number}{cleared}", DESCRIPTION_KEY: record.digest}


def read_record_tags(tags: Mapping[str, str]) -> TagRecord:
    """
    Return what the tags say of a submission.

    :raises ValueError: When somebody has changed them.
    """
    submission = _SUBMISSION.fullmatch(tags.get(SUBMISSION_KEY, ""))
    digest = _DIGEST.fullmatch(tags.get(DESCRIPTION_KEY, ""))
    if submission is None or digest is None:
        raise ValueError(f"the tags {SUBMISSION_KEY!r} and {DESCRIPTION_KEY!r} are not as they were submitted")
    max_tries = None if submission[2] is None else int(submission[2])
    return TagRecord(int(submission[1]), digest[0], max_tries)


def with_tags(description: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the description with further tags, behind its own.

    :param description: The API's object.
    :param tags: The further tags.
    :raises ConfigurationError: When there is no room for them, or the description uses one of their keys.
    """
    if not tags:
        return dict(description)
    own = description.get("Tags") or []
    if not isinstance(own, Sequence) or isinstance(own, str):
        raise ConfigurationError(f"Tags is a {type(own).__name__}, where a list must be; nothing was submitted")
    taken = [tag["Key"] for tag in own if isinstance(tag, Mapping) and tag.get("Key") in tags]
    if taken:
        raise ConfigurationError(
            f"The tag {taken[0]!r} is the one by which a later try finds what this one submits; nothing was submitted: "
            f"give your own tag another name (BatchSubmitJobOperator: durable=False does without)"
        )
    if len(own) + len(tags) > MAX_TAGS:
        raise ConfigurationError(
            f"There are {len(own)} tags, and a later try of this task needs {len(tags)} more to find what this one "
            f"submits, because this version of Airflow keeps no state of tasks; the API takes {MAX_TAGS}. Nothing was "
            f"submitted: leave out {len(own) + len(tags) - MAX_TAGS}, or use Airflow 3.3 (BatchSubmitJobOperator: "
            f"durable=False does without)"
        )
    return {**description, "Tags": [*own, *({"Key": key, "Value": value} for key, value in tags.items())]}


def _digits_of(digest: str, count: int) -> str:
    return str(int(digest, 16) % 10**count).zfill(count)
