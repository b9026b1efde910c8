# SPDX-License-Identifier: Apache-2.0
"""What is written into tags is read back, has few different values, and leaves the user's own tags alone."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.limits import MAX_TAGS
from airflow_batch_events.submission.tags import (
    DESCRIPTION_KEY,
    IDENTITY_KEYS,
    OWN_KEYS,
    SUBMISSION_KEY,
    TagRecord,
    identity_tags,
    read_record_tags,
    record_tags,
    short_digest,
    with_tags,
)

digests = st.binary().map(lambda content: short_digest(hashlib.sha256(content).hexdigest()))
records = st.builds(
    TagRecord,
    number=st.integers(1, 10**9 - 1),
    digest=digests,
    max_tries=st.none() | st.integers(-1, 10**9 - 1),
)
instances = st.tuples(st.text(), st.text(), st.text(), st.none() | st.integers(-1, 10**6))


@given(records, instances)
def test_a_record_is_read_back_from_its_tags(record: TagRecord, instance: tuple[str, str, str, int | None]) -> None:
    tags = {**identity_tags(*instance), **record_tags(record)}
    assert read_record_tags(tags) == record
    assert tuple(tags) == OWN_KEYS
    # https://cloud.tencent.com/document/product/651/13354
    for text in (*tags, *tags.values()):
        assert 1 <= len(text) <= 127
        assert all(character.isalnum() or character in "+-=._:/@" for character in text)


@given(instances)
def test_no_tag_of_the_identity_has_many_values(instance: tuple[str, str, str, int | None]) -> None:
    assert all(value in {f"{number:03}" for number in range(1000)} for value in identity_tags(*instance).values())


def test_no_two_task_instances_have_the_same_tags() -> None:
    instances = [
        (dag, task, run, index)
        for dag in ("d", "dt", "")
        for task in ("t", "dt", "")
        for run in ("r", "scheduled__2026-01-01")
        for index in range(-1, 1000)
    ]
    found = {tuple(identity_tags(*instance).values()) for instance in instances}
    assert len(found) == len(instances)


def test_what_another_version_has_submitted_is_found() -> None:
    assert list(identity_tags("daily", "train", "manual__1", None).values()) == ["271", "488", "509", "386"]
    assert short_digest(f"{1_002_003:x}") == "003"


@given(
    st.dictionaries(
        st.sampled_from([SUBMISSION_KEY, DESCRIPTION_KEY]),
        st.sampled_from(["", "0.1", "1.", "x", "1.2.3", "12", "1234"]),
    )
)
def test_changed_tags_are_not_believed(tags: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not as they were submitted"):
        read_record_tags(tags)


TAGS = {"a": "1", "b": "2"}
ADDED = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]


@pytest.mark.parametrize("own", [None, [], [{"Key": "team", "Value": "x"}], [{"Key": str(n)} for n in range(8)]])
def test_ones_own_tags_keep_their_place(own: Any) -> None:
    description = {"JobName": "j", "Tags": own}
    assert with_tags(description, TAGS) == {"JobName": "j", "Tags": [*(own or []), *ADDED]}
    assert description == {"JobName": "j", "Tags": own}


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ([{"Key": str(number)} for number in range(9)], rf"9 tags.*2 more.*{MAX_TAGS}.*leave out 1.*durable=False"),
        ([{"Key": "a", "Value": "mine"}], "'a' is the one.*another name.*durable=False"),
        ({"Key": "a"}, "Tags is a dict"),
        ("team=x", "Tags is a str"),
    ],
)
def test_tags_that_leave_no_room_are_refused(own: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        with_tags({"Tags": own}, TAGS)
    assert "othing was submitted" in str(caught.value)


def test_without_further_tags_nothing_is_checked() -> None:
    assert with_tags({"Tags": "odd"}, {}) == {"Tags": "odd"}


def test_a_user_keeps_four_tags() -> None:
    assert len(OWN_KEYS) == MAX_TAGS - 4
    assert set(IDENTITY_KEYS) < set(OWN_KEYS)
