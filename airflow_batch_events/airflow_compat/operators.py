# SPDX-License-Identifier: Apache-2.0
"""What Airflow's bases of operators do not do for their heirs: tell the DAG's defaults, leave links alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.bases.decorator import DecoratedOperator


def given_argument(kwargs: Mapping[str, Any], name: str) -> Any:
    """
    Return an argument of a constructor whose parent takes it, from the task or from the DAG's ``default_args``.

    Airflow fills in only what a constructor names itself, and hands ``default_args`` on to the parent's.

    Source: ``sdk/bases/operator.py``, lines 535 to 567. Since: before 3.1. It can go when all defaults are filled in at
    once.

    :param kwargs: What the constructor hands on.
    :param name: The argument.
    """
    return kwargs.get(name, (kwargs.get("default_args") or {}).get(name))


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


def keyword_arguments(task: DecoratedOperator, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return those of the values that a decorated task's function takes by name.

    Source: ``sdk/bases/decorator.py``, line 470. Since: 3.2; before, the function that it calls is in
    ``airflow/utils/operator_helpers.py``. It can go when 3.1 is not supported.

    :param task: The decorated task.
    :param values: The context and the arguments that the task was called with.
    """
    if hasattr(task, "determine_kwargs"):
        return task.determine_kwargs(values)
    from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]

    return dict(determine_kwargs(task.python_callable, task.op_args, values))
