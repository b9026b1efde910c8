# SPDX-License-Identifier: Apache-2.0
"""A hook for a conftest.py: put the end of each component's log under a failed test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devtools.airflow_stack.stack import AirflowStack


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the logs of the fixture ``stack`` to the report."""
    outcome: Any = yield
    report = outcome.get_result()
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, AirflowStack):
        report.sections += [(f"log of {part.name}", part.tail()) for part in stack.components()]
