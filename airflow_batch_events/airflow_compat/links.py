# SPDX-License-Identifier: Apache-2.0
"""What Airflow does with a task's links when the task ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def keep_links(task: BaseOperator) -> None:
    """
    Let a running task keep the links that it has written.

    At the end of each run on a worker Airflow reads and writes every link again, though all are written by then: for a
    task that is resumed, that takes longer than what it was resumed for.

    Source: ``sdk/execution_time/task_runner.py``, line 2315. Since: before 3.1. It can go when Airflow writes a link
    only where there is none.

    :param task: The operator of the running task, whose links are all written.
    """
    task.operator_extra_links = ()
