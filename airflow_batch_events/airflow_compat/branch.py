# SPDX-License-Identifier: Apache-2.0
"""
The base of operators that follow one branch or another.

Source: ``sdk/bases/branch.py``. Since: 3.2; before, it is in the standard provider. It can go when 3.1 is not
supported.
"""

from __future__ import annotations

try:
    from airflow.sdk.bases.branch import BaseBranchOperator
except ImportError:
    from airflow.providers.standard.operators.branch import BaseBranchOperator  # type: ignore[assignment]

__all__ = ["BaseBranchOperator"]
