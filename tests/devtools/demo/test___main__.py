# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devtools.demo.__main__ import main


def test_the_demo_says_where_it_looked_for_dags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", "--dags", str(tmp_path)])
    assert main() == 2

    shown = capsys.readouterr().out.replace("\n", "")
    assert str(tmp_path) in shown
    assert "--dags" in shown
