# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import inspect
import json
import re
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from airflow.sdk import BaseHook, BaseOperator, Connection
from airflow.triggers.base import BaseTrigger
from support.operators import our_classes, public_operators

import airflow_batch_events
from airflow_batch_events.get_provider_info import get_provider_info
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.hooks.connection import account_from_connection
from airflow_batch_events.protocol.credentials.access import ENDPOINT_FIELDS

INFO = get_provider_info()
ROOT = Path(__file__).parents[1]


def test_airflow_s_own_schema_accepts_it():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)


def test_airflow_finds_it_under_the_distribution_s_name():
    (entry,) = [
        entry for entry in entry_points(group="apache_airflow_provider") if entry.module.startswith("airflow_b")
    ]
    assert entry.load()() == INFO
    assert entry.dist is not None
    assert INFO["package-name"] == entry.dist.name
    assert INFO["versions"] == [version(INFO["package-name"])]


def test_each_integration_is_named_once_and_has_a_guide_and_a_logo():
    names = [one["integration-name"] for one in INFO["integrations"]]
    used = {one["integration-name"] for kind in ("operators", "sensors", "hooks", "triggers") for one in INFO[kind]}
    assert sorted(names) == sorted(used)
    for one in INFO["integrations"]:
        shown = [*one["how-to-guide"], one["logo"]]
        assert [path for path in shown if not (ROOT / path.removeprefix("/")).exists()] == []
        assert one["external-doc-url"].startswith("https://")


PUBLIC = {"operators": BaseOperator, "sensors": BaseOperator, "hooks": BaseHook, "triggers": BaseTrigger}


@pytest.mark.parametrize("kind", PUBLIC)
def test_every_module_that_users_import_is_listed(kind):
    folder = Path(airflow_batch_events.__file__).parent / kind
    names = {f"airflow_batch_events.{kind}.{path.stem}" for path in folder.glob("*.py")}
    listed = {name for entry in INFO[kind] for name in entry["python-modules"]}
    for name in names - listed:
        classes = [one for one in vars(importlib.import_module(name)).values() if isinstance(one, type)]
        own = {one for one in classes if one.__module__ == name and issubclass(one, PUBLIC[kind])}
        # Bases, and what a listed module exports.
        exported = [one for module in listed for one in vars(importlib.import_module(module)).values()]
        assert all(one in exported or one.__subclasses__() for one in own), name


def test_every_option_that_is_read_is_described():
    read = set()
    for path in Path(airflow_batch_events.__file__).parent.rglob("*.py"):
        read |= set(re.findall(r"\bCONFIG_SECTION, \"(\w+)\"", path.read_text()))
    assert read == set(INFO["config"]["batch_events"]["options"])


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


ALLOWED = {"type", "default", "format", "enum", "minimum", "maximum", "pattern", "minLength", "maxLength"}
READ = {*ENDPOINT_FIELDS, "console_url", "region", "token", "proxy", "verify", "role_arn", "role_session_name"} | {
    "role_duration_seconds",
    "role_external_id",
}


def test_the_connection_form_has_all_fields_and_hides_secrets():
    (connection,) = INFO["connection-types"]
    fields = connection["conn-fields"]
    assert set(fields) == READ
    for name, field in fields.items():
        assert field["label"], name
        assert field["description"], name
        assert set(field["schema"]) <= ALLOWED, name
        assert "null" in field["schema"]["type"], f"{name} may be empty"
    hidden = {name for name, field in fields.items() if field["schema"].get("format") == "password"}
    # A proxy's address may hold a password.
    assert hidden == {"token", "proxy", "role_external_id"}


def test_an_empty_form_is_a_connection_without_key_role_or_proxy():
    (connection,) = INFO["connection-types"]
    extra = {name: field["schema"].get("default") for name, field in connection["conn-fields"].items()}
    account = account_from_connection(Connection(conn_id="c", conn_type="tencentcloud", extra=json.dumps(extra)))
    assert (account.key, account.role, account.endpoints["proxy"], account.endpoints["verify"]) == (
        None,
        None,
        None,
        True,
    )


@pytest.mark.parametrize("operator", public_operators(), ids=lambda operator: operator.__name__)
def test_docstrings_mark_exactly_the_templated_parameters(operator):
    documented = set()
    for one in our_classes(operator):
        paragraphs = re.findall(r":param (\w+):(.*?)(?=:param|\Z)", one.__doc__ or "", flags=re.DOTALL)
        documented |= {name for name, text in paragraphs if "(templated)" in text}
    assert documented == set(operator.template_fields)


@pytest.mark.parametrize("operator", public_operators(), ids=lambda operator: operator.__name__)
def test_docstrings_list_parameters_in_constructor_order(operator):
    for one in our_classes(operator):
        accepted = [name for name in inspect.signature(one.__init__).parameters if name not in ("self", "kwargs")]
        assert re.findall(r":param (\w+):", one.__doc__ or "") == accepted


@pytest.mark.parametrize("operator", public_operators(), ids=lambda operator: operator.__name__)
def test_each_parameter_is_documented_once(operator):
    taken = [name for one in our_classes(operator)[1:] for name in re.findall(r":param (\w+):", one.__doc__ or "")]
    assert len(taken) == len(set(taken))
    assert [
        name for name in taken if f"``{name}``" not in operator.__doc__ and f":param {name}:" not in operator.__doc__
    ] == []
