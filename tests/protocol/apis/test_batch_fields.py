# SPDX-License-Identifier: Apache-2.0
"""Types that rendering has changed, in the API's own objects."""

from __future__ import annotations

import inspect
import re

import pytest
from tencentcloud.batch.v20170312 import models

from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.protocol.apis import batch_fields
from airflow_batch_events.protocol.apis.batch_fields import with_types


def fields_of(name, found):
    """Collect the fields of one of the SDK's classes and of those within it, with what it says of their types."""
    for field, kind in re.findall(r":type (\w+): (.+)", inspect.getsource(getattr(models, name).__init__)):
        kind = re.sub(r":class:`.*\.(\w+)`", r"\1", kind.strip())
        is_new = field not in found
        assert found.setdefault(field, kind) == kind, f"{field} has two types"
        inner = kind.removeprefix("list of ")
        if is_new and hasattr(models, inner):
            fields_of(inner, found)
    return found


YOUNG = {"DedicatedResourcePackIds", "DedicatedResourcePackTenancy", "RackId"}
"""Fields that the lowest SDK does not have yet."""


def test_the_table_has_every_field_of_the_sdk_with_its_type():
    found = {}
    for name in ("Job", "Placement", "NamedComputeEnv"):
        fields_of(name, found)
    expected = {"str": set(), "list of str": set(), "int": set(), "bool": set(), "object": set(), "objects": set()}
    for field, kind in found.items():
        other = "objects" if kind.startswith("list of ") else "object"
        expected[kind if kind in expected else other].add(field)
    table = {
        "str": batch_fields.TEXTS,
        "list of str": batch_fields.TEXT_LISTS,
        "int": batch_fields.NUMBERS,
        "bool": batch_fields.FLAGS,
        "object": batch_fields.OBJECTS,
        "objects": batch_fields.OBJECT_LISTS,
    }
    missing = YOUNG - found.keys()
    assert expected == {kind: fields - missing for kind, fields in table.items()}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"JobName": 20260101}, {"JobName": "20260101"}),
        ({"JobName": True}, {"JobName": "True"}),
        ({"JobName": 1.5}, {"JobName": "1.5"}),
        ({"Priority": "1"}, {"Priority": 1}),
        ({"Priority": 2.0}, {"Priority": 2}),
        ({"JobDescription": None}, {"JobDescription": None}),
        ({"Unknown": {"JobName": 1}}, {"Unknown": {"JobName": 1}}),
        (
            {"Tasks": [{"Timeout": "60", "Docker": {"Password": 7}}]},
            {"Tasks": [{"Timeout": 60, "Docker": {"Password": "7"}}]},
        ),
        ({"Tasks": "[{'TaskInstanceNum': '2'}]"}, {"Tasks": [{"TaskInstanceNum": 2}]}),
        ({"EnvVars": ({"Name": "A", "Value": 1},)}, {"EnvVars": [{"Name": "A", "Value": "1"}]}),
        ({"EnvData": '{"InstanceTypes": "S5"}'}, {"EnvData": {"InstanceTypes": ["S5"]}}),
        ({"Zones": [1, "b"]}, {"Zones": ["1", "b"]}),
        ({"RestartComputeNode": "TRUE"}, {"RestartComputeNode": True}),
        ({"RestartComputeNode": "False"}, {"RestartComputeNode": False}),
    ],
)
def test_text_and_numbers_become_what_the_api_takes(given, taken):
    assert with_types("job", given) == taken
    assert with_types("job", taken) == taken


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Priority": "high"}, "job.Priority is a text, must be a whole number"),
        ({"Priority": True}, "job.Priority is a bool, must be a whole number"),
        ({"Priority": 1.5}, "job.Priority is a float, must be a whole number"),
        ({"Tasks": [{}, {"Application": {"Command": ["secret"]}}]}, r"job.Tasks\[1\].Application.Command is a list"),
        ({"EnvVars": [{"Value": {"a": "secret"}}]}, r"job.EnvVars\[0\].Value is a dict, must be text"),
        ({"JobName": 1.234e59}, "job.JobName is a float, must be text, and a number of this size"),
        ({"JobName": float("inf")}, "job.JobName is a float"),
        ({"Tasks": "secret"}, r"job.Tasks\[0\] is a text, must be an object"),
        ({"EnvData": []}, "job.EnvData is a list, must be an object"),
        ({"Zones": [None]}, r"job.Zones\[0\] is None, must be text"),
        ({"Enabled": "perhaps"}, "job.Enabled is a text, must be true or false"),
        ({"Enabled": 1}, "job.Enabled is an int"),
    ],
)
def test_an_ambiguous_value_is_refused_and_not_shown(given, words):
    with pytest.raises(ParameterError, match=words) as caught:
        with_types("job", given)
    assert "secret" not in str(caught.value)
