# SPDX-License-Identifier: Apache-2.0
"""Tries of a task instance in an Airflow that has no task state store, and what a user does between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator

RETRIES = 2

_numbers = itertools.count(1)


class Tries:
    """
    Runs tries of its own task instance.

    :param make: Makes the operator, anew for each try.
    """

    def __init__(self, make: Callable[[], BaseOperator]) -> None:
        self.make = make
        self.dag_id = f"without_state_store_{next(_numbers)}"
        self.number = 0
        self.max_tries = RETRIES
        self.xcoms: dict[str, Any] = {}

    def context(self) -> Any:
        ti = SimpleNamespace(
            dag_id=self.dag_id,
            task_id="t",
            run_id="r",
            map_index=-1,
            try_number=self.number,
            max_tries=self.max_tries,
            xcom_push=lambda *, key, value: self.xcoms.__setitem__(key, value),
        )
        return {"ti": ti, "task": SimpleNamespace(retries=RETRIES)}

    def run(self) -> Any:
        """Execute the next try; one that defers raises that."""
        self.number += 1
        return self.make().execute(self.context())

    def clear(self) -> None:
        """Do what Airflow does when a user clears the task instance."""
        self.max_tries = self.number + RETRIES
