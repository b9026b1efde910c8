# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.tasks import StateStore, TaskInstance

from airflow_batch_events.airflow_compat.task_state import submission_store


@pytest.mark.parametrize(
    ("context", "durable", "is_durable"),
    [
        ({"task_state_store": StateStore()}, True, True),
        ({"task_state_store": StateStore()}, False, False),
        ({"task_state_store": None}, True, False),
        ({}, True, False),
    ],
)
def test_a_submission_outlives_its_try_where_state_is_kept(
    context: dict[str, object], durable: bool, is_durable: bool
) -> None:
    store = submission_store({"ti": TaskInstance(), **context}, durable=durable)
    intended = store.intend(1, "digest")
    assert store.is_durable is is_durable
    later = submission_store({"ti": TaskInstance(2), **context}, durable=durable)
    assert later.load() == (intended if is_durable else None)
