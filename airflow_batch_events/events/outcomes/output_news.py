# SPDX-License-Identifier: Apache-2.0
"""
Tell what is new in an output of which only the last 2,048 bytes can be read. Pure.

What is kept of a stream between two reads is a few numbers, not its text: a triggerer follows thousands of streams, and
hands what it knows to the worker that ends the task. The rule that must not be relaxed: lines that nobody has seen are
never passed over in silence.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from airflow_batch_events.limits import MAX_LOG_BYTES

_MARK = 64
"""Characters before a place by which it is found again, once the beginning of the output is not shown any more."""

_CUT = -1


class Seen(NamedTuple):
    """
    How much of a stream has been told.

    :param length: Characters from its beginning; -1 when that was not shown any more.
    :param mark: A checksum of the last characters before that place.
    """

    length: int
    mark: int

    @classmethod
    def read(cls, value: object) -> Seen | None:
        """Read what another process has kept; None for anything else."""
        if not isinstance(value, list | tuple) or len(value) != 2:
            return None
        length, mark = value
        return cls(length, mark) if type(length) is int and type(mark) is int else None


class News(NamedTuple):
    """
    What is new in a stream.

    :param lines: The lines, without their ends.
    :param gap: What lies before them, for people; empty where nothing is missing.
    :param seen: For the next time.
    """

    lines: list[str]
    gap: str
    seen: Seen | None


def news_in(text: str, seen: Seen | None, *, is_over: bool = False) -> News:
    """
    Return the lines of a stream that have not been told yet.

    Lines that repeat one after the other, so that the output looks the same as before, are not noticed.

    :param text: What the API shows.
    :param seen: What was told before.
    :param is_over: Whether nothing more will come, so that the last line is whole.
    """
    is_cut = len(text.encode(errors="replace")) >= MAX_LOG_BYTES
    whole = text if is_over else text[: text.rfind("\n") + 1]
    if not whole:
        return News([], "", seen)
    start, gap = _place_of(seen, whole, is_cut)
    now = Seen(_CUT if is_cut else len(whole), _mark(whole))
    lines = [_final(line) for line in whole[start:].removesuffix("\n").split("\n")] if start < len(whole) else []
    return News(lines, gap, now)


def _place_of(seen: Seen | None, text: str, is_cut: bool) -> tuple[int, str]:
    if seen is None:
        return (_first_line(text), "its beginning is not shown") if is_cut else (0, "")
    if not is_cut:
        if 0 <= seen.length <= len(text) and _mark(text[: seen.length]) == seen.mark:
            return seen.length, ""
        # An instance that runs again begins its output anew.
        return 0, "of another execution"
    place = len(text)
    while place > 0:
        if _mark(text[:place]) == seen.mark:
            return place, ""
        place = text.rfind("\n", 0, place - 1) + 1
    return _first_line(text), "lines before them are not shown any more"


def _mark(text: str) -> int:
    return zlib.crc32(text[-_MARK:].encode(errors="replace"))


def _first_line(text: str) -> int:
    """Return where the first line begins that is surely whole; the beginning where there is only one."""
    place = text.find("\n") + 1
    return place if place < len(text) else 0


def _final(line: str) -> str:
    # What a progress bar has written over is not shown.
    return line.rstrip("\r").rpartition("\r")[2]
