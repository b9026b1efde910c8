# SPDX-License-Identifier: Apache-2.0
"""Text from outside that is shown: what would act on a terminal or a log is seen, what can be read stays."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.text import printable, printable_lines

UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

anything = st.text(st.characters(), max_size=60) | st.text(
    st.sampled_from("a \t\r\n\x00\x1b\x7f\x85\x9b\u2028\u202e\u200b\u200d\ufe0f\ufeff\ud800\U000e0041❤😀:gronpeud\\")
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("one\r\ntwo\ttabs\v\f", r"one\r\ntwo\ttabs\x0b\x0c"),
        ("\x85\u2028\u2029", r"\x85\u2028\u2029"),
        ("a\u202ecba\u2066\u2069\u200e\u200f\u061c", r"a\u202ecba\u2066\u2069\u200e\u200f\u061c"),
        ("a\u200b\u200c\u200d\u2060\ufeff\xad", r"a\u200b\u200c\u200d\u2060\ufeff\xad"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\ud800 \udfff", r"\ud800 \udfff"),
        ("private \ue000, unassigned \uffff", r"private \ue000, unassigned \uffff"),
        ("filler \u3164\u115f", r"filler \u3164\u115f"),
        ("hidden a\ufe00\ufe01\U000e0100", "hidden a\ufe00\\ufe01\\U000e0100"),
        ("::group::x ::endgroup::", r":\x3agroup::x :\x3aendgroup::"),
    ],
    ids=[
        "escape",
        "C1",
        "line ends",
        "other line ends",
        "directions",
        "zero width",
        "tags",
        "surrogates",
        "private and unassigned",
        "fillers",
        "selectors",
        "group markers of a log",
    ],
)
def test_what_would_act_or_hide_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain, with 'quotes', \\x1b as text and a \\",
        "배치 작업이 실패했습니다",
        "批处理作业\u3000失败",
        "Zażółć gęślą jaźń, e\u0301",
        "👩‍👩‍👧‍👦 👍🏽 ❤️‍🔥 🏳️‍🌈 🙂‍↔️ 🇰🇷 ☎️",
        "葛\U000e0100城市",
        ":smile: [red]not markup[/red]",
        "younger than this Python, perhaps: \U0001faea \U0001fac6\u200d\U0001faea \U000323b0",
    ],
)
def test_what_can_be_read_stays(text):
    assert printable(text) == text


@given(anything)
def test_nothing_unprintable_is_left(text):
    shown = printable(text)
    # Of the pictures and ideographs some are younger than this Python.
    kept = re.compile("[\u200d\U0001f000-\U0001faff\U00020000-\U0003fffd]")
    assert not {unicodedata.category(char) for char in shown if not kept.match(char)} & UNPRINTABLE
    assert "\n" not in shown
    assert "::group::" not in shown
    assert "::endgroup::" not in shown
    shown.encode()
    assert printable(shown) == shown


@given(anything, st.integers(0, 40))
def test_a_limit_holds_for_the_result_and_twice_is_once(text, limit):
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert printable(shown, limit) == shown
    assert shown == printable(text) or shown.endswith("..."[:limit])


@pytest.mark.parametrize("value", [None, 7, b"\x1b", 1 << 20_000, ["\x1b"], ValueError("\x1b")], ids=type)
def test_what_is_no_text_is_shown_too(value):
    assert "\x1b" not in printable(value)


def test_a_very_long_text_is_cut_before_it_is_read():
    began = time.perf_counter()
    shown = printable("\u200d" * 20_000_000, 100)
    assert len(shown) == 100
    assert shown.endswith("...")
    assert time.perf_counter() - began < 1.0


def test_lines_end_where_a_terminal_would_begin_anew():
    assert printable_lines("50 %\r\x1b[2K100 %\r\na\tb\n\x1b[31mred\x1b[0m\n\n") == [
        "50 %",
        r"\x1b[2K100 %",
        "a       b",
        r"\x1b[31mred\x1b[0m",
    ]


@given(anything)
def test_each_line_is_one(text):
    for line in printable_lines(text, 30):
        assert len(line) <= 30
        assert line == printable(line)
