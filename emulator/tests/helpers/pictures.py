# SPDX-License-Identifier: Apache-2.0
"""
Pictures of what tests look at: kept for people, and with ``WRITE_DOCS=1`` shown by the guides from then on.

A guide's picture is taken by the test of what it shows, so it can be taken anew when that changes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_ROOT = Path(__file__).parents[3]
KEPT = _ROOT / ".test-output" / "pictures"
GUIDES = _ROOT / "docs" / "images"


def picture(name: str) -> Path:
    """Return where a new picture of that name is kept; an earlier one is removed."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / name
    path.unlink(missing_ok=True)
    return path


def show_in_guides(*names: str) -> None:
    """Let the guides show pictures of these names as they were taken last, if ``WRITE_DOCS`` says so."""
    if os.environ.get("WRITE_DOCS"):
        for name in names:
            shutil.copyfile(KEPT / name, GUIDES / name)
