# SPDX-License-Identifier: Apache-2.0
"""
The form of a connection, for an Airflow that asks the hook for it.

Source: ``providers_manager.py`` of 3.1, line 944, and ``api_fastapi/core_api/services/ui/connections.py`` of 3.1, which
puts its own classes in the place of WTForms', so that neither WTForms nor Flask AppBuilder has to be installed.
Since: before 3.1; from 3.2 on, the form is read from the provider's metadata and these are not called. It can go when
3.1 is not supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def form_widgets(conn_fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the form's own fields.

    :param conn_fields: The fields as the provider's metadata have them, by name: label, description and JSON schema.
    """
    # Only Airflow's API server has these, or what it puts in their place.
    from wtforms import BooleanField, IntegerField, PasswordField, StringField, validators

    classes = {"string": StringField, "integer": IntegerField, "boolean": BooleanField}
    widgets = {}
    for name, field in conn_fields.items():
        schema = field["schema"]
        kind = PasswordField if schema.get("format") == "password" else classes[schema["type"][0]]
        widgets[name] = kind(
            label=field["label"],
            validators=[validators.Optional()],
            description=field["description"],
            default=schema.get("default"),
        )
    return widgets


def field_behavior(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what becomes of the fields that every form has.

    :param metadata: The provider's metadata, with dashes in the names of its parts.
    """
    return {name.replace("-", "_"): value for name, value in metadata.items()}
