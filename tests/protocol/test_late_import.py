# SPDX-License-Identifier: Apache-2.0
"""What is imported for a trigger is imported once, in a thread, for all that wait for it."""

from __future__ import annotations

import asyncio
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_batch_events.protocol.late_import import imported

Write = Callable[[str], str]

NOTES_ITS_THREAD = "import threading\nthread = threading.get_ident()\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Make a module that nobody has imported, and return its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(text: str) -> str:
        name = f"late_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return make


async def test_a_module_is_imported_in_another_thread(write: Write) -> None:
    name = write(NOTES_ITS_THREAD)
    await imported(name)
    assert sys.modules[name].thread != threading.get_ident()


async def test_a_cancelled_waiter_leaves_the_import_to_others(write: Write) -> None:
    name = write("import time\ntime.sleep(0.2)\n")
    cancelled, waiting = (asyncio.ensure_future(imported(name)) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await waiting
    assert cancelled.cancelled()
    assert name in sys.modules


async def test_an_import_that_failed_is_tried_again(write: Write, tmp_path: Path) -> None:
    name = write("import nothing_of_that_name\n")
    failed = await asyncio.gather(imported(name), imported(name), return_exceptions=True)
    assert [type(error) for error in failed] == [ModuleNotFoundError] * 2
    (tmp_path / f"{name}.py").write_text("# a text of another length, so that no bytecode is taken for it\n")
    await imported(name)
    assert name in sys.modules
