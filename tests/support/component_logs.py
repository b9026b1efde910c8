# SPDX-License-Identifier: Apache-2.0
"""A hook for a conftest.py: put under a failed test its last run of a DAG, and the end of each component's log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import SCHEDULER


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the last run and the logs of the fixture ``stack`` to the report."""
    outcome: Any = yield
    report = outcome.get_result()
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, AirflowStack):
        report.sections.append(("last run", stack.api.explain_last_run()))
        report.sections.append(("errors of the scheduler", _errors(stack)))
        report.sections += [(f"log of {part.name}", part.tail()) for part in stack.components()]


def _errors(stack: AirflowStack) -> str:
    # A task that Airflow itself fails says so there and not in its own log.
    log = stack.log(SCHEDULER)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([line for line in lines if "[error" in line][-10:])
