# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import platform

import pytest

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.provisioning.queue_names import fill_in
from airflow_batch_events.waiting.local_queue import queue_name_here


def test_a_plain_name_is_left_alone() -> None:
    assert queue_name_here("airflow-batch-events") == "airflow-batch-events"


def test_the_host_is_what_airflow_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "platform.node")
    assert queue_name_here("airflow-{hostname}") == fill_in("airflow-{hostname}", platform.node())


def test_another_placeholder_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="placeholder"):
        queue_name_here("airflow-{host}")
