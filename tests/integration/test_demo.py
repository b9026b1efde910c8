# SPDX-License-Identifier: Apache-2.0
"""What a new user runs first: it ends well, it ends when told to, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devtools.airflow_stack.airflow_api import wait_until

LIMIT = 240

StartDemo = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output.txt"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder for temporary files: whatever the demo starts works below it."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def start_demo(place: Path, output: Path) -> Iterator[StartDemo]:
    started = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "devtools.demo", *options]
        with output.open("wb") as file:
            demo = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(place)}, stdout=file, stderr=file)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.terminate()
        demo.wait(timeout=60)


def test_the_demo_shows_every_branch_and_leaves_nothing(
    start_demo: StartDemo, output: Path, place: Path, processes_in: Callable[[Path], list[str]]
) -> None:
    code = start_demo("--jobs", "3").wait(timeout=LIMIT)

    told = output.read_text()
    assert code == 0, told
    assert re.search(r"^ success .* SUCCEED .* publish_result .* right", told, re.MULTILINE), told
    assert re.search(r"^ failure .* FAILED .* raise_alarm .* right", told, re.MULTILINE), told
    assert re.search(r"^ interruption .* FAILED_INTERRUPTED .* raise_alarm .* right", told, re.MULTILINE), told
    assert re.search(r"^ fan-out .* 3 jobs .* 3 SUCCEED .* gather .* right", told, re.MULTILINE), told
    assert told.count("event  JOB_") == 6
    assert processes_in(place) == []
    assert list(place.iterdir()) == []


def test_a_demo_that_is_ended_half_way_leaves_nothing(
    start_demo: StartDemo, output: Path, place: Path, processes_in: Callable[[Path], list[str]]
) -> None:
    demo = start_demo()
    wait_until(lambda: "deferred" in output.read_text() or None, timeout=LIMIT, failure=lambda: output.read_text())
    assert processes_in(place) != []

    demo.send_signal(signal.SIGTERM)

    assert demo.wait(timeout=60) == 128 + signal.SIGTERM
    assert processes_in(place) == []
    assert list(place.iterdir()) == []
