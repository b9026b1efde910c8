# SPDX-License-Identifier: Apache-2.0
"""Tag what a task submits, so that a bill tells whose it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_batch_events.airflow_compat.configuration import CONFIG_SECTION, conf
from airflow_batch_events.operators.base import TencentCloudOperator
from airflow_batch_events.submission.cost_tags import cost_tags

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class TaggingOperator(TencentCloudOperator):
    """
    An operator that submits jobs.

    :param cost_tags: Whether jobs get the tags ``airflow-dag``, ``airflow-task``, ``airflow-run`` and ``airflow-try``,
        as far as their own tags leave room; by default as ``[batch_events] cost_tags`` says, which is True.
    """

    def __init__(self, *, cost_tags: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cost_tags = self.read_switch("cost_tags", cost_tags)

    def tags_for(self, context: Context, number: int | None) -> Mapping[str, str]:
        """
        Return the tags of what the running task submits; none where they are not wanted.

        :param context: The task's context.
        :param number: Which of the task's submissions it is; None where jobs of several tries have one description.
        """
        is_wanted = self.cost_tags
        if is_wanted is None:
            is_wanted = conf.getboolean(CONFIG_SECTION, "cost_tags", fallback=True)
        ti = context["ti"]
        return cost_tags(ti.dag_id, ti.task_id, ti.run_id, number) if is_wanted else {}
