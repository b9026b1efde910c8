# SPDX-License-Identifier: Apache-2.0
"""A Redis that only we can use, and how its absence is told. One is started in ``tests/distributed``."""

from __future__ import annotations

import pytest

from devtools.airflow_stack import redis_server


def test_who_may_not_install_it_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(RuntimeError, match="sudo apt-get install redis-server"):
        redis_server.install()


def test_where_it_is_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/true" if "redis" in name else None)

    redis_server.install()
