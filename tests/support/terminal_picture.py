# SPDX-License-Identifier: Apache-2.0
"""What a program has written on a terminal as a picture of it, with colors; in letters, so it is sharp and small."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.text import Text

_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_FAMILY = "Menlo, Consolas, DejaVu Sans Mono, monospace"
_ORIGIN = re.compile(r"<!--.*?-->\s*", re.DOTALL)


def terminal_picture(output: str, *, title: str, width: int) -> str:
    """
    Return an SVG of a terminal with that output.

    :param output: What was written, with ANSI escapes.
    :param title: The title of the window.
    :param width: The width of the terminal, in characters.
    """
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(output), soft_wrap=True)
    drawn = console.export_svg(title=title, unique_id="terminal")
    # The fonts would be fetched from elsewhere; who looks at it has one of fixed width.
    return _FONTS.sub("", _ORIGIN.sub("", drawn)).replace("Fira Code, monospace", _FAMILY)
