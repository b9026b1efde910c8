# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from airflow_batch_events.airflow_compat.connection_form import field_behavior, form_widgets
from airflow_batch_events.get_provider_info import get_provider_info

METADATA = get_provider_info()["connection-types"][0]


@pytest.fixture
def wtforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes in the place of WTForms' own, as the API server of Airflow 3.1 puts them."""

    def kind(name: str) -> Any:
        return lambda **settings: SimpleNamespace(kind=name, **settings)

    module: Any = ModuleType("wtforms")
    for name in ("BooleanField", "IntegerField", "PasswordField", "StringField"):
        setattr(module, name, kind(name))
    module.validators = SimpleNamespace(Optional=lambda: "optional")
    monkeypatch.setitem(sys.modules, "wtforms", module)


@pytest.mark.usefixtures("wtforms")
def test_each_field_of_the_metadata_is_in_the_form() -> None:
    widgets = form_widgets(METADATA["conn-fields"])

    assert list(widgets) == list(METADATA["conn-fields"])
    assert vars(widgets["region"]) == {
        "kind": "StringField",
        "label": "Region",
        "validators": ["optional"],
        "description": "Long form, for example ap-guangzhou.",
        "default": "ap-guangzhou",
    }
    kinds = {name: widgets[name].kind for name in ("token", "role_duration_seconds", "verify")}
    assert kinds == {"token": "PasswordField", "role_duration_seconds": "IntegerField", "verify": "BooleanField"}


def test_the_standard_fields_keep_their_names() -> None:
    behavior = field_behavior(METADATA["ui-field-behaviour"])

    assert behavior["relabeling"] == {"login": "SecretId", "password": "SecretKey"}
    assert behavior["hidden_fields"] == ["host", "schema", "port"]
