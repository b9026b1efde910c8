# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, BaseOperator, task

from airflow_batch_events.airflow_compat.rendering import ObservedRendering, expanded_with

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Noting(ObservedRendering, BaseOperator):
    """Keeps what was rendered."""

    template_fields: Sequence[str] = ("one", "other")

    def __init__(self, *, one: Any = None, other: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.one = one
        self.other = other
        self.noted: list[Mapping[str, Any]] = []

    def on_rendered(self, before: Mapping[str, Any]) -> None:
        self.noted.append(dict(before))


def context_of(**params: Any) -> Any:
    return {"params": params, "ti": None}


def test_a_task_is_told_its_fields_before_they_are_rendered() -> None:
    noting = Noting(task_id="t", one="{{ params.x }}", other=None)
    noting.render_template_fields(context_of(x=7))
    assert noting.one == "7"
    assert noting.noted == [{"one": "{{ params.x }}", "other": None}]


def test_what_became_known_in_execute_can_be_rendered_then() -> None:
    with DAG("d", schedule=None, start_date=START):
        noting = Noting(task_id="t")
    noting.other = ["{{ params.x }}"]
    noting.render_again(context_of(x=7), "other")
    assert noting.other == ["7"]
    assert noting.noted == [{"other": ["{{ params.x }}"]}]


def test_a_mapped_instance_knows_what_it_was_expanded_with() -> None:
    @task
    def source() -> list[str]:
        return ["a"]

    with DAG("d", schedule=None, start_date=START):
        output = source()
        mapped = Noting.partial(task_id="t", other="fixed").expand(one=output)
        alone = Noting(task_id="u", one=output)
    instance = mapped.unmap({"one": "a"})
    assert expanded_with(instance, "one") is output
    assert expanded_with(instance, "other") is None
    assert expanded_with(alone, "one") is None


def test_a_field_without_a_template_need_not_be_rendered() -> None:
    class Sparing(Noting):
        def needs_rendering(self, name: str, value: Any) -> bool:
            return name != "one"

    sparing = Sparing(task_id="t", one="{{ params.x }}", other="{{ params.x }}")
    sparing.render_template_fields(context_of(x=7))
    assert (sparing.one, sparing.other) == ("{{ params.x }}", "7")
    assert sparing.noted == [{"other": "{{ params.x }}"}]
