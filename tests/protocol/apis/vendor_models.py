# SPDX-License-Identifier: Apache-2.0
"""The models of the vendor's SDK, against which our requests are held."""

from __future__ import annotations

import json
import warnings
from types import ModuleType
from typing import Any

from airflow_batch_events.protocol.apis.request import Request


def assert_known_to_the_vendor(request: Request[Any], models: ModuleType) -> None:
    """Assert that the SDK's model of an action has every parameter of the request."""
    model = getattr(models, f"{request.action}Request")()
    with warnings.catch_warnings():
        # The SDK warns of fields that its model does not have.
        warnings.simplefilter("error")
        model.from_json_string(json.dumps(request.params))
    known = json.loads(model.to_json_string())
    assert {name for name, value in known.items() if value is not None} == set(request.params)
