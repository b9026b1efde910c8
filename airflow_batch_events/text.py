# SPDX-License-Identifier: Apache-2.0
"""
Make text from outside fit for a line of a terminal, a log or an exception.

Names, custom parameters, a job's output and the words of an API are written by others. Shown as they are, they could
move a terminal's cursor, set its clipboard, forge whole lines, hide a part of a line or turn it around. What would do
so is shown as Python would write it in a text (``\\x1b``, ``\\u202e``); everything that can be read stays.
"""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 4000
"""Characters of one line at the most, where nothing else is said."""

_MARK = "..."
_ZERO_WIDTH_JOINER = "\u200d"

# Python calls these printable, though nothing of them can be seen: names that differ would look alike.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")

# Each year brings emoji and ideographs that this Python does not know yet; nothing else will come into these blocks.
_PICTURES = re.compile("[\U0001f000-\U0001faff]")
_IDEOGRAPHS = re.compile("[\U00020000-\U0002fffd\U00030000-\U0003fffd]")

_VARIATION_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")

# With these in a line Airflow's log page folds what comes after it.
_GROUP = re.compile(r"::(?=(?:end)?group::)")

_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: object, limit: int | None = None) -> str:
    r"""
    Return text that can be shown inside a line: without control characters, line ends, and what is not seen.

    Replaced are all control, format, surrogate, private and unassigned characters and line separators, by escapes such
    as ``\n``, ``\x1b`` and ``\u202e``. The joiners inside an emoji stay, and one variation selector after a character.
    A backslash stays one, so doing it twice changes nothing.

    :param text: A text, or what is to be shown as one.
    :param limit: Characters of the result at the most; what is cut ends in ``...``.
    """
    shown = _as_text(text)
    is_cut = limit is not None and len(shown) > limit
    if is_cut:
        # Each character is at least one of the result: what lies behind the limit need not be looked at.
        shown = shown[:limit]
    if not shown.isascii() or not shown.isprintable():
        shown = _NOT_ASCII.sub(_shown, shown)
    shown = _GROUP.sub(r":\\x3a", shown)
    if limit is not None and (is_cut or len(shown) > limit):
        shown = shown[: max(0, limit - len(_MARK))].rstrip(_ZERO_WIDTH_JOINER) + _MARK[:limit]
    return shown


def printable_lines(text: object, limit: int = MAX_TEXT) -> list[str]:
    """
    Return each line of a text as one that can be shown; tabs become spaces, and blanks at the end go.

    :param text: What others have written, for example a job's output; a carriage return ends a line, too.
    :param limit: Characters of a line at the most.
    """
    lines = _as_text(text).rstrip().splitlines()
    return [printable(line[: limit + 1].expandtabs(), limit) for line in lines]


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        # An integer of 5,000 digits has no text either.
        return f"<{type(value).__name__}>"


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    position = match.start()
    if char == _ZERO_WIDTH_JOINER:
        is_shown = _joins_emoji(match.string, position)
    elif _VARIATION_SELECTOR.match(char):
        is_shown = position > 0 and _is_visible(match.string[position - 1])
    else:
        is_shown = _is_visible(char) or unicodedata.category(char) == "Zs"
    if is_shown:
        return char
    return _SHORT.get(char) or ascii(char)[1:-1]


def _is_visible(char: str) -> bool:
    if char == " " or char in _INVISIBLE or _VARIATION_SELECTOR.match(char):
        return False
    return char.isprintable() or bool(_PICTURES.match(char) or _IDEOGRAPHS.match(char))


def _joins_emoji(text: str, position: int) -> bool:
    before = text[max(0, position - 2) : position].removesuffix("\ufe0f")[-1:]
    return _is_pictorial(before) and _is_pictorial(text[position + 1 : position + 2])


def _is_pictorial(char: str) -> bool:
    if char <= "\u2000":
        return False
    return unicodedata.category(char) in ("So", "Sk", "Sm") or _PICTURES.match(char) is not None
