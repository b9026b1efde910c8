# SPDX-License-Identifier: Apache-2.0
"""What a new user runs first: it ends well, it ends when told to, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from helpers.pictures import picture, show_in_guides
from rich.text import Text
from support.processes import processes_in, running
from support.terminal_picture import terminal_picture

from devtools.waits import wait_until

# A run's progress, of which there is too much for a picture.
PROGRESS = re.compile(r"^ *[\d.]+ s  run  ")
WIDTH = 112
COLORS = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}

StartDemo = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


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
def start_demo(place: Path, output: Path) -> StartDemo:
    @contextmanager
    def start(*options: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "devtools.demo", *options]
        env = os.environ | {"TMPDIR": str(place), **(COLORS if "--plain" in options else {})}
        with output.open("wb") as file, running(command, env=env, stdout=file, stderr=file) as demo:
            yield demo

    return start


def test_the_demo_shows_every_branch(start_demo: StartDemo, output: Path, place: Path) -> None:
    with start_demo("--plain", "--jobs", "3") as demo:
        code = demo.wait()
        assert processes_in(place) == []

    lines = output.read_text().splitlines()
    texts = [Text.from_ansi(line).plain for line in lines]
    told = "\n".join(texts)
    assert code == 0, told
    assert re.search(r"^ success .* SUCCEED +event .* publish_result .* yes", told, re.MULTILINE), told
    assert re.search(r"^ failure .* FAILED +event .* raise_alarm .* yes", told, re.MULTILINE), told
    assert re.search(r"^ interruption .* FAILED_INTERRUPTED +event .* raise_alarm .* yes", told, re.MULTILINE), told
    assert re.search(r"^ fan-out .* 3 jobs .* 3 SUCCEED +3 event .* gather .* yes", told, re.MULTILINE), told
    assert re.search(r"^ lost-event .* SUCCEED +api .* go_on .* yes", told, re.MULTILINE), told
    assert re.search(r"^ in-one-task .* 200 jobs .* 200 SUCCEED +200 event .* count .* yes", told, re.MULTILINE), told
    assert "killing the triggerer" in told
    assert re.search(r"events JOB_SUCCEED +200", told), told
    assert told.count("event  JOB_") == 7
    assert list(place.iterdir()) == []
    shown = [line for line, text in zip(lines, texts, strict=True) if not PROGRESS.match(text)]
    picture("demo.svg").write_text(terminal_picture("\n".join(shown), title="make demo", width=WIDTH))
    show_in_guides("demo.svg")


def test_a_terminated_demo_leaves_nothing(start_demo: StartDemo, output: Path, place: Path) -> None:
    with start_demo() as demo:
        wait_until(lambda: "deferred" in output.read_text() or None, failure=output.read_text)
        assert processes_in(place) != []

        demo.send_signal(signal.SIGTERM)

        assert demo.wait() == 128 + signal.SIGTERM
        assert processes_in(place) == []
    assert list(place.iterdir()) == []
