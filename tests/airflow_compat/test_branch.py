# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat.branch import BaseBranchOperator


def test_a_branch_operator_is_an_operator_that_can_branch() -> None:
    assert issubclass(BaseBranchOperator, BaseOperator)
    assert callable(BaseBranchOperator.do_branch)
