# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import socket

import pytest

from devtools.airflow_stack.plugins.component_host import VARIABLE, name


def test_a_component_is_its_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "triggerer-2")

    assert name() == "triggerer-2"


def test_a_command_is_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    assert name() == socket.gethostname()
