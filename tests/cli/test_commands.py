# SPDX-License-Identifier: Apache-2.0
"""One definition of the options, for the script and for Airflow's command line."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest
from airflow.cli.cli_config import GroupCommand

from airflow_batch_events.cli.commands import COMMANDS, queue_name
from airflow_batch_events.cli.definition import GROUP, get_batch_events_commands
from airflow_batch_events.provisioning.provision import QUEUE_DEFAULTS

IN_AIRFLOW = [name for name, command in COMMANDS.items() if command.arguments is not None]


def airflow_s_parser() -> argparse.ArgumentParser:
    from airflow.cli import cli_parser

    parser = argparse.ArgumentParser()
    (group,) = get_batch_events_commands()
    cli_parser._add_command(parser.add_subparsers(), group)
    return parser


def test_airflow_has_the_commands_but_for_the_emulator() -> None:
    (group,) = get_batch_events_commands()
    assert isinstance(group, GroupCommand)
    assert [command.name for command in group.subcommands] == ["doctor", "provision", "rewind", "tail"]


@pytest.mark.parametrize("name", IN_AIRFLOW)
def test_both_command_lines_read_the_same(name: str) -> None:
    given = ["--queue", "q", "--to=-2h"] if name == "rewind" else []
    given += ["--conn-id", "mine", "--region", "ap-tokyo", "--json"]
    script = argparse.ArgumentParser()
    for flags, settings in COMMANDS[name].arguments or ():
        script.add_argument(*flags, **settings)

    in_airflow = vars(airflow_s_parser().parse_args([GROUP, name, *given]))
    assert vars(script.parse_args(given)).items() <= in_airflow.items()
    assert callable(in_airflow["func"])


def test_airflow_s_command_ends_with_the_status_of_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    args = airflow_s_parser().parse_args([GROUP, "doctor", "--conn-id", "nowhere", "--json"])
    with pytest.raises(SystemExit) as ended:
        args.func(args)
    assert ended.value.code == 1
    assert "connection 'nowhere' does not exist" in capsys.readouterr().out


def test_each_command_of_airflow_s_reads_the_list_and_nothing_more() -> None:
    code = (
        "import sys, airflow.cli.cli_config\n"
        "before = set(sys.modules)\n"
        "from airflow_batch_events.cli.definition import get_batch_events_commands\n"
        "get_batch_events_commands()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if not name.startswith("airflow_batch_events")] == []
    assert len(loaded) < 10, loaded


def test_a_queue_is_provisioned_as_its_defaults_say() -> None:
    defaults = {flags[0]: settings.get("default") for flags, settings in COMMANDS["provision"].arguments or ()}
    assert defaults["--visibility-timeout"] == QUEUE_DEFAULTS.visibility_timeout
    assert defaults["--retention"] == QUEUE_DEFAULTS.msg_retention_seconds


def test_a_queue_s_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="hostname"):
        queue_name("{host}")
