# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform

import pytest
from airflow.utils.net import get_hostname

from airflow_batch_events.airflow_compat.configuration import conf, host_name


def test_a_setting_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__CA_BUNDLE", "/etc/company.pem")
    assert conf.get("batch_events", "ca_bundle", fallback="") == "/etc/company.pem"
    assert conf.get("batch_events", "nothing", fallback="") == ""


@pytest.mark.parametrize("callable_path", [None, "platform.node"])
def test_the_host_is_what_airflow_calls_it(monkeypatch: pytest.MonkeyPatch, callable_path: str | None) -> None:
    monkeypatch.setattr(platform, "node", lambda: "triggerer-1")
    if callable_path is not None:
        monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", callable_path)
    assert host_name() == get_hostname()
    assert (host_name() == "triggerer-1") is (callable_path is not None)
