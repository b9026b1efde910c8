# SPDX-License-Identifier: Apache-2.0
"""Where a task keeps what a later try of it must know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_events.submission.store import SubmissionStore


def submission_store(context: Mapping[str, Any], *, durable: bool = True) -> SubmissionStore:
    """
    Keep a task's submission where a later try finds it: Airflow's task state store.

    An Airflow without one remembers nothing between tries, as with ``durable=False``.

    Source: ``sdk/bases/resumablejobmixin.py``, line 140, which takes it from the context, too. Since: 3.3. It can go
    when 3.2 is not supported.

    :param context: The task's context.
    :param durable: False remembers nothing between tries.
    """
    state = context.get("task_state_store")
    return SubmissionStore({"ti": context["ti"], "task_state_store": state}, durable=durable)
