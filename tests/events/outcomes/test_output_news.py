# SPDX-License-Identifier: Apache-2.0
"""What is new in an output of which only the end can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.outcomes.output_news import News, Seen, news_in
from airflow_batch_events.limits import MAX_LOG_BYTES

LINE = "line {:04}\n"


def shown(output):
    """Return what the API shows of an output."""
    return output.encode()[-MAX_LOG_BYTES:].decode(errors="replace")


def follow(outputs, *, is_over=True):
    """Read an output at each of these moments; the last one is its end."""
    seen, told, gaps = None, [], []
    for number, output in enumerate(outputs, 1):
        found = news_in(shown(output), seen, is_over=is_over and number == len(outputs))
        seen = found.seen
        told += found.lines
        gaps += [found.gap] if found.gap else []
    return told, gaps


def test_each_line_is_told_once_when_it_is_whole():
    told, gaps = follow(["", "a", "a\n", "a\nb", "a\nb\nc\n", "a\nb\nc\n"])
    assert (told, gaps) == (["a", "b", "c"], [])


def test_the_last_line_of_all_needs_no_end():
    assert follow(["a\n", "a\nb"]) == (["a", "b"], [])
    assert follow(["a\n", "a\nb"], is_over=False) == (["a"], [])
    assert news_in("a\nb", None).lines == ["a"]


def test_while_nothing_is_shown_nothing_is_new():
    assert news_in("", None) == News([], "", None)
    told = news_in("a\n", None).seen
    assert news_in("", told) == News([], "", told)


def test_lines_that_repeat_are_told_as_often_as_they_stand_there():
    assert follow(["x\n", "x\nx\nx\n", "x\nx\nx\nx\n"]) == (["x"] * 4, [])


def test_an_output_that_grows_beyond_what_is_shown_is_told_without_a_gap():
    lines = [LINE.format(number) for number in range(1000)]
    told, gaps = follow(["".join(lines[:count]) for count in range(0, 1001, 100)])
    assert (told, gaps) == ([line[:-1] for line in lines], [])


def test_what_came_faster_than_it_was_read_is_marked():
    lines = [LINE.format(number) for number in range(1000)]
    told, gaps = follow(["".join(lines[:10]), "".join(lines)])
    assert told[:10] == [line[:-1] for line in lines[:10]]
    # From the first line that is surely whole.
    assert told[10:] == [line[:-1] for line in lines[-len(told[10:]) :]]
    assert gaps == ["lines before them are not shown any more"]


def test_an_output_that_is_read_late_begins_with_a_mark():
    told, gaps = follow(["".join(LINE.format(number) for number in range(1000))])
    assert (told[-1], gaps) == ("line 0999", ["its beginning is not shown"])


def test_an_empty_line_is_told_beyond_what_is_shown():
    output = "".join(LINE.format(number) for number in range(1000))
    told, gaps = follow([output, f"{output}\nend\n"])
    assert (told[-3:], gaps) == (["line 0999", "", "end"], ["its beginning is not shown"])


def test_an_output_that_just_fits_into_what_is_shown_has_no_gap():
    lines = ["x" * 22] * 89
    output = "\n".join(["", *lines, ""])
    assert len(output) == MAX_LOG_BYTES
    assert follow(["\n", output]) == (["", *lines], [])


def test_of_a_line_that_is_longer_than_what_is_shown_the_end_is_told():
    told, gaps = follow(["x" * 3_000 + "\n"])
    assert (told, gaps) == (["x" * (MAX_LOG_BYTES - 1)], ["its beginning is not shown"])


def test_an_instance_that_runs_again_may_begin_with_what_was_shown_last():
    told, gaps = follow(["x\n" * 100 + "a\n" + "b" * (MAX_LOG_BYTES - 2), "a\n"])
    assert (told, gaps) == (["a", "a"], ["its beginning is not shown", "of another execution"])


@pytest.mark.parametrize("first", ["first try\n", "".join(LINE.format(number) for number in range(1000))])
def test_an_instance_that_runs_again_is_told_from_its_beginning(first):
    told, gaps = follow([first, "second try\n"])
    assert told[-1] == "second try"
    assert gaps[-1] == "of another execution"


def test_of_a_progress_bar_the_last_state_is_told():
    assert follow(["0%\r50%\r", "0%\r50%\r100%\nX\r\n"]) == (["100%", "X"], [])


def test_characters_that_are_cut_do_no_harm():
    lines = [f"각각각 {number:04}\n" for number in range(400)]
    told, gaps = follow(["".join(lines[:count]) for count in range(0, 401, 50)])
    assert (told, gaps) == ([line[:-1] for line in lines], [])


def test_half_a_character_is_told_as_it_is():
    assert news_in("\ud800\n", None).lines == ["\ud800"]


@pytest.mark.parametrize("value", [None, 3, "ab", [1], [1, "2"], [True, 2], [[1], 2], {"length": 1}])
def test_what_is_no_state_is_none(value):
    assert Seen.read(value) is None


def test_a_state_survives_being_stored():
    seen = news_in("a\nb\n", None).seen
    assert seen is not None
    assert news_in("a\nb\nc\n", Seen.read(list(seen))).lines == ["c"]


LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LINE_ENDS), max_size=20), max_size=40
)


@given(LINES, st.integers(1, 5))
def test_no_line_of_a_short_output_is_lost_or_told_twice(lines, step):
    outputs = ["".join(f"{line}\n" for line in lines[:count]) for count in [*range(0, len(lines), step), len(lines)]]
    if len(outputs[-1].encode()) < MAX_LOG_BYTES:
        assert follow(outputs) == (lines, [])
