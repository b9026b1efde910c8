# SPDX-License-Identifier: Apache-2.0
"""The fixture, as a project sees it that has installed this distribution and imports nothing of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import sys

def test_nothing_is_imported_for_a_test_without_the_fixture():
    assert "tencent_batch_emulator.emulator" not in sys.modules

def test_each_test_has_its_own(batch_emulator):
    assert batch_emulator.endpoint.startswith("http://127.0.0.1:")
    assert batch_emulator.count() == 0
"""


def test_the_fixture_is_there_without_an_import(tmp_path: Path) -> None:
    (tmp_path / "test_something.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_something.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
