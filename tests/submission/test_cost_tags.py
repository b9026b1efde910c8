# SPDX-License-Identifier: Apache-2.0
"""Tags for the bill: whose job it was, within what an account has room for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.limits import MAX_TAG_VALUE, MAX_TAGS
from airflow_batch_events.submission.cost_tags import cost_tags, with_cost_tags

SCHEDULED = "scheduled__2026-01-01T06:30:00+00:00"
TAGS = cost_tags("nightly", "group.train", SCHEDULED, 2)


def pairs(description: dict[str, object]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in description["Tags"]}  # type: ignore[attr-defined]


def test_the_tags_name_dag_task_run_and_try() -> None:
    assert TAGS == {
        "airflow-dag": "nightly",
        "airflow-task": "group.train",
        "airflow-run": "scheduled__2026-01-01",
        "airflow-try": "2",
    }


@pytest.mark.parametrize(
    ("run_id", "told"),
    [
        ("manual__2026-01-01T06:30:00.123456+00:00_Ab3dE", "manual__2026-01-01"),
        ("asset_triggered__2026-01-01T06:30:00+00:00_x", "asset_triggered__2026-01-01"),
        ("backfill__2026-01-01T00:00:00+00:00", "backfill__2026-01-01"),
        ("3f2a9c1e-5b7d-4e8f-9a6b-1c2d3e4f5a6b", "other"),
        ("my run of 2026-01-01", "other"),
        ("", "other"),
    ],
)
def test_no_run_has_a_value_of_its_own(run_id: str, told: str) -> None:
    assert cost_tags("d", "t", run_id)["airflow-run"] == told


@given(st.text(), st.text(), st.text(), st.none() | st.integers(1, 10**9))
def test_whatever_the_names_the_tags_are_ones_that_can_be_set(dag: str, task: str, run: str, number: int) -> None:
    for value in cost_tags(dag, task, run, number).values():
        assert 0 < len(value) <= MAX_TAG_VALUE
        assert re.fullmatch(r"[\w+=.:/@-]+", value)


def test_a_tag_of_the_users_own_wins() -> None:
    own = [{"Key": "airflow-dag", "Value": "mine"}, {"Key": "team", "Value": "a"}]
    assert pairs(with_cost_tags({"Tags": own}, TAGS)) == {**TAGS, "airflow-dag": "mine", "team": "a"}
    assert len(own) == 2


@pytest.mark.parametrize(("own", "added"), [(0, 4), (6, 4), (7, 3), (9, 1), (10, 0), (12, 0)])
def test_they_take_only_room_that_is_left(own: int, added: int) -> None:
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(own)]
    assert len(with_cost_tags({"Tags": tags}, TAGS)["Tags"]) == own + added
    assert len(with_cost_tags({"Tags": tags}, TAGS, room=MAX_TAGS - 6).get("Tags", [])) == max(own, 4)


@pytest.mark.parametrize("odd", [None, "text", 7, {"a": 1}])
def test_what_the_api_will_refuse_is_left_to_it(odd: object) -> None:
    described = with_cost_tags({"Tags": odd}, TAGS)
    assert described["Tags"] == odd or pairs(described) == TAGS


def test_what_a_tag_cannot_have_is_replaced() -> None:
    assert cost_tags("my dag", "", SCHEDULED) == {
        "airflow-dag": "my_dag",
        "airflow-task": "_",
        "airflow-run": "scheduled__2026-01-01",
    }


def test_a_description_without_room_stays_as_it_is() -> None:
    assert with_cost_tags({"JobName": "a"}, TAGS, room=0) == {"JobName": "a"}


def test_a_try_beyond_what_is_told_apart_has_the_last_number() -> None:
    many, more = (cost_tags("d", "t", SCHEDULED, number)["airflow-try"] for number in (10**6, 10**7))
    assert many == more
    assert many.isdigit()
