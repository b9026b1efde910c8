# SPDX-License-Identifier: Apache-2.0
"""
Tags by which a bill tells whose job it was: the DAG, the task, the run and the try.

They are no part of the job's description: its digest is made without them, so that neither a retry nor an upgrade looks
like a changed job. A submission that is sent again under its token has the same tags. Two rules must not be relaxed.
Whatever the user has set wins: a tag of his own, and the room for it. And no tag gets a new value with each run,
because the values stay in the account (``submission/tags.py``): of a run its kind and its day are told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_batch_events.limits import MAX_TAG_VALUE, MAX_TAGS

DAG, TASK, RUN, TRY = "airflow-dag", "airflow-task", "airflow-run", "airflow-try"

MAX_TRY = 100
"""A later try is told as this one."""

_RUN = re.compile(r"([a-z_]{1,30})__(\d{4}-\d{2}-\d{2})")
_OTHER_RUN = "other"
_NOT_TAKEN = re.compile(r"[^\w+=.:/@-]+")


def cost_tags(dag_id: str, task_id: str, run_id: str, number: int | None = None) -> dict[str, str]:
    """
    Return the tags of what a task instance submits.

    :param dag_id: The DAG.
    :param task_id: The task.
    :param run_id: The run: of ``scheduled__2026-01-01T00:00:00+00:00`` the part before the time is told, of one that
        has a name of its own, nothing but that.
    :param number: Which of the task's submissions it is; None leaves it out.
    """
    run = _RUN.match(run_id)
    tags = {DAG: dag_id, TASK: task_id, RUN: run[0] if run else _OTHER_RUN}
    if number is not None:
        tags[TRY] = str(min(number, MAX_TRY))
    return {key: _clean(value) for key, value in tags.items()}


def with_cost_tags(description: Mapping[str, Any], tags: Mapping[str, str], *, room: int = MAX_TAGS) -> dict[str, Any]:
    """
    Return the description with those of the tags that it has not itself, as far as there is room.

    :param description: The API's object.
    :param tags: The tags, those that matter most first.
    :param room: Tags that the description may have.
    """
    own = description.get("Tags") or []
    if not tags or not isinstance(own, Sequence) or isinstance(own, str):
        return dict(description)
    taken = {tag.get("Key") for tag in own if isinstance(tag, Mapping)}
    further = [{"Key": key, "Value": value} for key, value in tags.items() if key not in taken]
    added = further[: max(0, room - len(own))]
    return {**description, "Tags": [*own, *added]} if added else dict(description)


def _clean(value: str) -> str:
    """Return text as a tag's value takes it: letters, digits and some signs, which may not be nothing."""
    return _NOT_TAKEN.sub("_", value)[:MAX_TAG_VALUE] or "_"
