# SPDX-License-Identifier: Apache-2.0
"""A MySQL that only we can use: how its absence is told. One is started by ``make test-mysql``."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.airflow_stack import mysql_server


def test_who_may_not_install_it_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(RuntimeError, match="sudo apt-get install mariadb-server-core libmariadb-dev"):
        mysql_server.install()


def test_the_named_program_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = tmp_path / "mysqld"
    named.write_text("#!/bin/sh\necho 'mysqld  Ver 8.4.2 for Linux on x86_64'\n")
    named.chmod(0o700)
    monkeypatch.setenv("MYSQLD", str(named))

    assert mysql_server.installed() == named
    assert not mysql_server.is_mariadb(named)


def test_a_mariadb_under_mysqls_name_is_known(tmp_path: Path) -> None:
    program = tmp_path / "mysqld"
    program.write_text("#!/bin/sh\necho 'mysqld  Ver 10.11.6-MariaDB for debian-linux-gnu'\n")
    program.chmod(0o700)

    assert mysql_server.is_mariadb(program)
