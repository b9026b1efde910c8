# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import re
from importlib.metadata import entry_points, version
from importlib.resources import files

import jsonschema
import pytest
from airflow.sdk import BaseHook, BaseOperator

from airflow_batch_events.get_provider_info import get_provider_info
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.credentials import ENDPOINT_FIELDS

INFO = get_provider_info()


def test_airflow_s_own_schema_accepts_it():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_airflow_finds_it_under_the_distribution_s_name():
    (entry,) = [
        entry for entry in entry_points(group="apache_airflow_provider") if entry.module.startswith("airflow_b")
    ]
    assert entry.load()() == INFO
    assert INFO["package-name"] == entry.dist.name
    assert INFO["versions"] == [version(INFO["package-name"])]


def listed_modules():
    return [
        module
        for kind in ("operators", "sensors", "hooks", "triggers")
        for entry in INFO[kind]
        for module in entry["python-modules"]
    ]


@pytest.mark.parametrize("module", listed_modules())
def test_every_listed_module_can_be_imported(module):
    importlib.import_module(module)


def test_the_connection_type_is_the_hook_s():
    (connection,) = INFO["connection-types"]
    assert connection["connection-type"] == BatchHook.conn_type
    module, _, name = connection["hook-class-name"].rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), name), BaseHook)
    assert set(ENDPOINT_FIELDS) | {"region", "token"} <= set(connection["conn-fields"])


def public_operators():
    for module in listed_modules():
        for item in vars(importlib.import_module(module)).values():
            if isinstance(item, type) and issubclass(item, BaseOperator) and item.__module__ == module:
                yield item


@pytest.mark.parametrize("operator", list(public_operators()), ids=lambda operator: operator.__name__)
def test_the_docstring_says_templated_for_exactly_the_templated_parameters(operator):
    paragraphs = re.findall(r":param (\w+):(.*?)(?=:param|\Z)", operator.__doc__, flags=re.DOTALL)
    documented = {name for name, text in paragraphs if "(templated)" in text}
    assert documented == set(operator.template_fields)


@pytest.mark.parametrize("operator", list(public_operators()), ids=lambda operator: operator.__name__)
def test_the_docstring_lists_the_parameters_in_the_constructor_s_order(operator):
    documented = re.findall(r":param (\w+):", operator.__doc__)
    names = operator.__init__.__wrapped__.__code__.co_varnames if hasattr(operator.__init__, "__wrapped__") else ()
    accepted = [name for name in names if name in documented]
    assert documented == accepted
