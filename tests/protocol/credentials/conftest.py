# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from protocol.credentials.metadata_service import Metadata
from tencentcloud.common.credential import CVMRoleCredential

from airflow_batch_events.protocol.credentials import default_credentials


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Metadata]:
    """A machine without keys, role or cluster."""
    metadata = Metadata()
    address = f"http://127.0.0.1:{metadata.server.server_port}/latest/meta-data/cam/security-credentials/"
    monkeypatch.setattr(CVMRoleCredential, "_role_endpoint", address)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TKE_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(default_credentials, "_machine", None)
    yield metadata
    metadata.hold.set()
    metadata.server.shutdown()
    metadata.server.server_close()
