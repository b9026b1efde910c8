# SPDX-License-Identifier: Apache-2.0
"""Which subscription wants a message."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.cmq.routing import key_matches, tags_match

WORDS = st.sampled_from(["a", "b", "job", "1"])
ROUTING_KEYS = st.lists(WORDS, min_size=1, max_size=7).map(".".join)
BINDING_KEYS = st.lists(st.one_of(WORDS, st.just("*"), st.just("#")), min_size=1, max_size=6).map(".".join)


@pytest.mark.parametrize(
    ("binding_key", "routing_key", "wanted"),
    [
        ("1.#.0", "1.2.3.4.4.2.2.0", True),
        ("1.#.0", "1.0", True),
        ("1.#.0", "1.2.3", False),
        ("#", "anything.at.all", True),
        ("*", "one", True),
        ("*", "one.two", False),
        ("1.*.0", "1.5.0", True),
        ("1.*.0", "1.0", False),
        ("#.b", "b", True),
        ("a.#", "a", True),
        ("a.#.*", "a", False),
        ("a.#.#.b", "a.b", True),
        ("job", "jobs", False),
        ("job*", "jobs", False),
        ("#.a.#.a", "a", False),
    ],
)
def test_a_star_is_one_word_and_a_hash_any_number(binding_key: str, routing_key: str, wanted: bool) -> None:
    assert key_matches(binding_key, routing_key) is wanted


def as_regex(binding_key: str) -> str:
    """The same rule by other means: a routing key is words that each end in a dot."""
    part = {"#": r"(?:[^.]+\.)*", "*": r"[^.]+\."}
    return "".join(part.get(word, re.escape(word) + r"\.") for word in binding_key.split("."))


@given(binding_key=BINDING_KEYS, routing_key=ROUTING_KEYS)
def test_binding_keys_match_as_a_regular_expression_does(binding_key: str, routing_key: str) -> None:
    assert key_matches(binding_key, routing_key) == bool(re.fullmatch(as_regex(binding_key), routing_key + "."))


@given(routing_key=ROUTING_KEYS)
def test_a_key_without_wildcards_matches_itself(routing_key: str) -> None:
    assert key_matches(routing_key, routing_key)


@given(binding_key=BINDING_KEYS, routing_key=ROUTING_KEYS, place=st.integers(0, 6))
def test_another_hash_never_takes_a_match_away(binding_key: str, routing_key: str, place: int) -> None:
    words = binding_key.split(".")
    words.insert(place, "#")
    assert not key_matches(binding_key, routing_key) or key_matches(".".join(words), routing_key)


@pytest.mark.parametrize(
    ("filter_tags", "tags", "wanted"),
    [((), (), True), ((), ("a",), True), (("a",), (), False), (("a", "b"), ("b", "c"), True), (("a",), ("A",), False)],
)
def test_one_shared_tag_is_enough(filter_tags: tuple[str, ...], tags: tuple[str, ...], wanted: bool) -> None:
    assert tags_match(filter_tags, tags) is wanted
