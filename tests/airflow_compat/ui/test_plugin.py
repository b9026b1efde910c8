# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.airflow_compat.ui.plugin import address_in_ui


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("", "/batch-events/page.js"),
        ("https://airflow.example.com", "/batch-events/page.js"),
        ("https://example.com/airflow/", "/airflow/batch-events/page.js"),
    ],
)
def test_a_page_is_found_wherever_airflow_is_served(monkeypatch: pytest.MonkeyPatch, base: str, address: str) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert address_in_ui("/batch-events/page.js") == address
