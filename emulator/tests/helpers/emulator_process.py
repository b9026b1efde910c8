# SPDX-License-Identifier: Apache-2.0
"""An emulator in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

# Seconds, far longer than a slow machine needs, and far shorter than the jobs that must be ended run.
LIMIT = 120.0
COMMAND = [sys.executable, "-m", "tencent_batch_emulator.cli"]


class Process:
    """An emulator as a user starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address_file = folder / "place" / "emulator.json"
        self._child: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> dict[str, str]:
        self._child = subprocess.Popen(
            [*COMMAND, "--address-file", str(self.address_file), *options], stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + LIMIT
        while not self.address_file.exists():
            assert self._child.poll() is None, "it ended before it served"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found: dict[str, str] = json.loads(self.address_file.read_text())
        return found

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        assert self._child is not None
        self._child.send_signal(number)
        shown, _ = self._child.communicate(timeout=LIMIT)
        return self._child.returncode, shown

    def kill(self) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
