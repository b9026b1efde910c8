# SPDX-License-Identifier: Apache-2.0
"""Where the address file lies, and whose it is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tencent_batch_emulator.admin.address_file import AddressFile, default_path


def test_the_default_place_is_this_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_path() == tmp_path / "tencent-batch-emulator" / "emulator.json"

    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_path() == tmp_path / "cache" / "tencent-batch-emulator" / "emulator.json"


def test_a_later_emulators_address_file_is_left_alone(tmp_path: Path) -> None:
    first, second = (AddressFile(tmp_path / "new" / "emulator.json") for _ in range(2))
    settings = {"secret_id": "AKIDx", "secret_key": "k", "region": "ap-guangzhou"}
    first.write(endpoint="http://127.0.0.1:1", **settings)
    second.write(endpoint="http://127.0.0.1:2", **settings)

    first.remove()
    assert json.loads(second.path.read_text())["endpoint"] == "http://127.0.0.1:2"
    second.remove()
    assert os.listdir(second.path.parent) == []
    assert stat.S_IMODE(second.path.parent.stat().st_mode) == 0o700
