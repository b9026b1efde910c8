# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform

import pytest
from airflow.utils.net import get_hostname

from airflow_batch_events.airflow_compat.hostname import host_name


@pytest.mark.parametrize("callable_path", [None, "platform.node"])
def test_the_host_is_what_airflow_calls_it(monkeypatch: pytest.MonkeyPatch, callable_path: str | None) -> None:
    monkeypatch.setattr(platform, "node", lambda: "triggerer-1")
    if callable_path is not None:
        monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", callable_path)
    assert host_name() == get_hostname()
    assert (host_name() == "triggerer-1") is (callable_path is not None)
