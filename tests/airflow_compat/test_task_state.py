# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Variable
from support.supervisor import supervised
from support.tasks import StateStore, TaskInstance

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.task_state import (
    drop_handed_over,
    hand_over,
    handed_over,
    submission_store,
)
from airflow_batch_events.protocol.apis.tagged_answers import Tagged
from airflow_batch_events.submission.record import Submission


def no_search(tags: object) -> list[Tagged]:
    raise AssertionError(f"searched for {tags}")


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
    monkeypatch: pytest.MonkeyPatch, context: dict[str, object], durable: bool, is_durable: bool
) -> None:
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", True, raising=False)
    store = submission_store({"ti": TaskInstance(), **context}, no_search, durable=durable)
    intended = store.intend(1, "digest")
    assert store.is_durable is is_durable
    assert store.tags_of(intended) == {}
    later = submission_store({"ti": TaskInstance(2), **context}, no_search, durable=durable)
    assert later.load() == (intended if is_durable else None)


def submitted(**settings: Any) -> Submission | None:
    """Return what the second try of a task knows of what its first one has submitted."""
    tagged: list[Tagged] = []

    def store(number: int) -> Any:
        return submission_store({"ti": TaskInstance(number)}, lambda tags: list(tagged), **settings)

    first = store(1)
    intended = first.intend(1, first.kept_digest("abcdef"))
    tagged.append(Tagged("job-1", first.tags_of(intended)))
    found: Submission | None = store(2).load()
    assert found is None or (found.token, found.digest) == (intended.token, intended.digest)
    return found


def test_where_airflow_keeps_none_the_submission_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", False, raising=False)
    found = submitted()
    assert found is not None
    assert (found.number, found.job_id) == (1, "job-1")


def test_without_durability_nothing_is_searched_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", False, raising=False)
    assert submitted(durable=False) is None


async def test_what_the_triggerer_leaves_is_read_and_deleted_on_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervised(monkeypatch)
    await hand_over("notes", "text")
    assert supervisor.asked[0] | {"description": ""} == {
        "type": "PutVariable",
        "key": "notes",
        "value": "text",
        "description": "",
    }

    kept = {"notes": "text"}
    monkeypatch.setattr(Variable, "get", lambda key, default: kept.get(key, default))
    monkeypatch.setattr(Variable, "delete", kept.pop)
    assert handed_over("notes") == "text"
    drop_handed_over("notes")
    assert handed_over("notes") is None
