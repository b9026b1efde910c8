# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_batch_events.cli.commands import COMMANDS
from airflow_batch_events.cli.main import main
from airflow_batch_events.text import printable


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


def test_what_makes_no_sense_is_quoted_as_printable_text(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["\x1b]0;x\x07"], ["tail", "\x1b]0;x\x07\r"], ["tail", "--count", "\u202e1"]):
        with pytest.raises(SystemExit):
            main(arguments)

    shown = capsys.readouterr().err.replace("\n", "")
    assert shown == printable(shown)


def test_ctrl_c_while_a_command_loads_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    code = (
        "from airflow_batch_events.cli.main import COMMANDS, main; "
        "COMMANDS['tail'] = COMMANDS['tail']._replace(module='slow'); "
        "raise SystemExit(main())"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    done = subprocess.run([sys.executable, "-c", code, "tail"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_help_needs_neither_airflow_nor_the_vendors_sdk() -> None:
    code = (
        "import sys; from airflow_batch_events.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name.split('.')[0] in ('airflow', 'tencentcloud', 'httpx', 'starlette') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_missing_connection_ends_every_command(run_json):
    for command in ("provision", "doctor", "tail"):
        status, result = run_json(command, "--conn-id", "nowhere")
        assert status == 1
        assert "connection 'nowhere' does not exist: create it" in result["message"]
