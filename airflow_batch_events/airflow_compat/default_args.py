# SPDX-License-Identifier: Apache-2.0
"""The DAG's ``default_args``, as a constructor sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
