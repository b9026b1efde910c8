# SPDX-License-Identifier: Apache-2.0
"""
The pytest fixture ``batch_emulator``; pytest finds it where this distribution is installed.

In a test module::

    def test_a_lost_event(batch_emulator):
        batch_emulator.drop_next("JOB_SUCCEED")
        run_my_job(endpoint=batch_emulator.endpoint, key=batch_emulator.secret_id)
        assert batch_emulator.count("SubmitJob") == 1

pytest imports this module in every test run, so it imports the emulator only when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tencent_batch_emulator.testing import RunningEmulator


@pytest.fixture
def batch_emulator() -> Iterator[RunningEmulator]:
    """A fresh emulator with scripted jobs for one test."""
    from tencent_batch_emulator.testing import start_emulator

    with start_emulator() as emulator:
        yield emulator
