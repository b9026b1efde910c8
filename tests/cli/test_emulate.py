# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.cli.main import main


def test_where_the_emulator_is_missing_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("airflow_batch_events.cli.emulate.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        main(["emulate"])
    assert ended.value.code == 2
    assert "pip install 'airflow-batch-events[emulator]'" in capsys.readouterr().err


def test_the_options_are_the_emulator_s(capsys):
    with pytest.raises(SystemExit):
        main(["emulate", "--help"])
    assert "--port" in capsys.readouterr().out
