# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.airflow_compat.configuration import conf


def test_a_setting_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__CA_BUNDLE", "/etc/company.pem")
    assert conf.get("batch_events", "ca_bundle", fallback="") == "/etc/company.pem"
    assert conf.get("batch_events", "nothing", fallback="") == ""
