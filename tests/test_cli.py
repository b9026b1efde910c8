# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import subprocess
import sys

import pytest

from airflow_batch_events.cli import COMMANDS, main


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert f"airflow-batch-events {command}" in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    assert re.findall(r"^    (\w+)\s", shown, re.MULTILINE) == list(COMMANDS)


def test_an_unknown_command_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nonsense"])

    assert ended.value.code == 2
    assert "emulate" in capsys.readouterr().err


def test_help_needs_neither_airflow_nor_the_vendors_sdk() -> None:
    code = (
        "import sys; from airflow_batch_events.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name.split('.')[0] in ('airflow', 'tencentcloud', 'httpx', 'starlette') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_demo_says_where_it_looked_for_dags(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--dags", str(tmp_path)]) == 2

    shown = capsys.readouterr().out.replace("\n", "")
    assert str(tmp_path) in shown
    assert "--dags" in shown
