# SPDX-License-Identifier: Apache-2.0
"""A test run that is ended half-way leaves no process: no worker, emulator, PostgreSQL or component of Airflow."""

from __future__ import annotations

import signal

import pytest
from support.interrupted import leaves_nothing

# Below the folder of the process of pytest-xdist that runs the test.
MOMENTS = {
    "while the tables are made": "*/template0/airflow.cfg",
    "while the components start": "*/airflow0/components/triggerer.log",
}


@pytest.mark.parametrize(
    ("moment", "number", "in_background"),
    [
        ("while the tables are made", signal.SIGTERM, False),
        ("while the components start", signal.SIGTERM, False),
        ("while the components start", signal.SIGINT, True),
        ("while the components start", signal.SIGKILL, False),
    ],
)
def test_a_run_that_is_ended_leaves_nothing(moment: str, number: signal.Signals, in_background: bool) -> None:
    tests = ["-n", "1", "tests/integration/test_stack.py", "-k", "deferred"]
    leaves_nothing(tests, MOMENTS[moment], number, in_background=in_background)
