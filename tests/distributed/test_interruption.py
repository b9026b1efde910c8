# SPDX-License-Identifier: Apache-2.0
"""A distributed run that is ended half-way leaves no process: no Redis, no worker, no component of Airflow, no job."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.interrupted import leaves_nothing

COMPONENTS = "airflow0/components"
JOBS = "test_no_kill*/blocking"


@pytest.mark.parametrize(
    ("moment", "number", "in_background"),
    [
        (f"{COMPONENTS}/worker-2.log", signal.SIGTERM, False),
        (JOBS, signal.SIGINT, True),
        (JOBS, signal.SIGKILL, False),
    ],
    ids=["terminated at start", "interrupted at work", "killed at work"],
)
def test_a_run_that_is_ended_leaves_nothing(moment: str, number: signal.Signals, in_background: bool) -> None:
    tests = ["-n", "0", str(Path(__file__).with_name("test_kills.py"))]
    leaves_nothing(tests, moment, number, in_background=in_background)
