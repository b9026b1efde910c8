# SPDX-License-Identifier: Apache-2.0
"""What a DAG's author may write in templates, of every operator and sensor: fields, renderers, mapping, groups."""

from __future__ import annotations

import json
import re

import pendulum
import pytest
from airflow.sdk import DAG, BaseOperator, task_group
from support.airflow_names import DagSerialization
from support.operators import parameters_of, public_operators, required_by

from airflow_batch_events.decorators.batch import BatchJobDecoratedOperator

TEMPLATE = "{{ run_id }}-x"
RENDERED = "run-1-x"

OPERATORS = public_operators()
EACH_OPERATOR = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
EACH_FIELD = pytest.mark.parametrize(
    ("operator", "field"),
    [pytest.param(one, field, id=f"{one.__name__}-{field}") for one in OPERATORS for field in one.template_fields],
)


def is_nested(operator: type[BaseOperator], field: str) -> bool:
    return bool(re.search(r"dict\[|Mapping\[|^list\[", str(parameters_of(operator)[field].annotation)))


def test_all_operators_and_sensors_are_looked_at():
    assert len(OPERATORS) >= 12


@EACH_FIELD
def test_a_template_in_the_field_is_rendered(operator, field):
    arguments = required_by(operator)
    if field == "event_vars" and "topic_name" in parameters_of(operator):
        arguments["topic_name"] = "t"
    arguments[field] = [{"Deep": {"er": TEMPLATE}}] if is_nested(operator, field) else TEMPLATE
    task = operator(task_id="t", **arguments)
    task.render_template_fields({"run_id": "run-1"})
    assert RENDERED in json.dumps(getattr(task, field))


@EACH_FIELD
def test_the_page_shows_nested_fields_as_what_they_are(operator, field):
    assert operator.template_fields_renderers.get(field) == ("json" if is_nested(operator, field) else None)


@EACH_OPERATOR
def test_there_is_no_parameter_for_a_secret(operator):
    assert not [name for name in parameters_of(operator) if re.search("secret|password|token|key", name)]


@EACH_OPERATOR
def test_ids_names_and_connections_can_be_templates(operator):
    named = [name for name in parameters_of(operator) if re.fullmatch(r"\w+_(id|name)|region", name)]
    assert set(named) <= set(operator.template_fields)


@EACH_OPERATOR
def test_it_can_be_mapped_also_in_a_group_that_is(operator):
    with DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        constant = required_by(operator)
        name, value = constant.popitem()
        operator.partial(task_id="mapped", **constant).expand(**{name: [value, value]})

        @task_group
        def group(region: str) -> None:
            operator(task_id="inside", region=region, **constant, **{name: value})

        group.expand(region=["ap-guangzhou", "ap-beijing"])
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert {"mapped", "group.inside"} <= set(again.task_ids)
    assert again.get_task("mapped").is_mapped


def test_the_decorated_operator_has_what_the_submitting_one_has():
    (submit,) = (one for one in OPERATORS if one.__name__ == "BatchSubmitJobOperator")
    assert set(submit.template_fields) <= set(BatchJobDecoratedOperator.template_fields)
    assert submit.template_fields_renderers.items() <= BatchJobDecoratedOperator.template_fields_renderers.items()
