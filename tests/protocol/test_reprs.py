# SPDX-License-Identifier: Apache-2.0
"""No value of this room shows a secret, whatever prints it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any

import msgspec
import pytest

from airflow_batch_events import protocol

SECRET = "S3CRET-S3CRET"
NAMES = ("content", "secret_key", "token", "password", "written", "proxy", "external_id", "params", "endpoints")
"""Fields that hold a secret, or something with one in it."""


def values() -> list[type[Any]]:
    found = {}
    for module in pkgutil.walk_packages(protocol.__path__, protocol.__name__ + "."):
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and kind.__module__ == module.name and fields(kind):
                found[kind] = None
    return list(found)


def fields(kind: type[Any]) -> list[str]:
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return list(kind.__struct_fields__) if issubclass(kind, msgspec.Struct) else []


def test_the_walk_finds_the_room_s_values() -> None:
    assert {"CloudAccess", "Key", "Role", "CredentialSource", "Proxy", "Request", "TemporaryKey"} <= {
        kind.__name__ for kind in values()
    }


@pytest.mark.parametrize("kind", values(), ids=lambda kind: kind.__name__)
def test_a_value_shows_no_secret_in_any_way_of_printing_it(kind: type[Any]) -> None:
    contents = {name: SECRET if name in NAMES else "shown" for name in fields(kind)}
    if dataclasses.is_dataclass(kind):
        # Without the checks of what enters.
        value = object.__new__(kind)
        for name, content in contents.items():
            object.__setattr__(value, name, content)
    else:
        value = kind(**contents)
    for text in (repr(value), str(value), f"{value}"):
        assert SECRET not in text
