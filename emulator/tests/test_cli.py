# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import argparse
import asyncio
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from helpers.emulator_calls import submit
from helpers.emulator_process import Process
from helpers.signed_client import SignedClient, until

from tencent_batch_emulator import cli
from tencent_batch_emulator.faults.rules import Fault


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_serves_and_ends_cleanly(process: Process, number: int) -> None:
    address = process.start("--region", "ap-beijing", "--fault", "drop event=JOB_SUCCEED", "--seed", "7")
    answer = httpx.get(
        f"{address['endpoint']}/_emulator/faults", auth=(address["secret_id"], address["secret_key"]), trust_env=False
    )
    mode = stat.S_IMODE(process.address_file.stat().st_mode)

    status, shown = process.end(number)

    assert [one["fault"]["event"] for one in answer.json()["faults"]] == ["JOB_SUCCEED"]
    assert sorted(address) == ["endpoint", "region", "secret_id", "secret_key"]
    assert (address["region"], mode) == ("ap-beijing", 0o600)
    assert status == 0
    assert not process.address_file.exists()
    assert address["endpoint"] in shown
    assert str(process.address_file) in shown
    assert address["secret_key"] not in shown
    assert "Seed: 7" in shown


def test_a_signal_ends_the_processes_of_jobs_too(process: Process, tmp_path: Path) -> None:
    address = process.start()
    pid_file = tmp_path / "pid"

    async def run_a_job() -> None:
        async with SignedClient(address["endpoint"], address["secret_id"], address["secret_key"], time.time) as client:
            await submit(client, command=f"echo $$ > {pid_file}; trap '' TERM; sleep 600")
            await until(lambda: pid_file.exists() and pid_file.read_text().strip())

    asyncio.run(run_a_job())

    status, _ = process.end()

    assert status == 0
    asyncio.run(until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_killing_the_emulator_ends_every_process_of_jobs(process: Process, tmp_path: Path) -> None:
    address = process.start()
    pid_file = tmp_path / "pids"

    async def run_a_job() -> None:
        async with SignedClient(address["endpoint"], address["secret_id"], address["secret_key"], time.time) as client:
            leave = f"setsid sh -c 'echo $$ >> {pid_file}; exec sleep 600' &"
            await submit(client, command=f"echo $$ >> {pid_file}\n{leave}\ntrap '' TERM HUP; sleep 600")
            await until(lambda: pid_file.exists() and len(pid_file.read_text().split()) == 2)

    asyncio.run(run_a_job())
    process.kill()

    asyncio.run(until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pid_file.read_text().split())))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def emulate(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(list(options))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--fault", "explode"], "explode"),
        (["--host", "0.0.0.0"], "--expose"),
        (["--port", "70000"], "65535"),
        (["--script", "x.json"], "--runner scripted"),
        (["--runner", "scripted", "--script", "missing.json"], "missing.json"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_way_out(
    options: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(emulate(*options)) == 2
    assert hint in capsys.readouterr().err


def test_a_address_file_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")

    assert cli.run(emulate("--ready-file", str(tmp_path / "file" / "emulator.json"))) == 1
    assert "file" in capsys.readouterr().err


def test_a_work_directory_that_others_may_write_in_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs").chmod(0o777)

    assert cli.run(emulate("--work-dir", str(tmp_path / "jobs"))) == 1
    assert "others may write in the work directory" in capsys.readouterr().err


def test_every_fault_setting_is_explained_by_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        emulate("--help")

    shown = capsys.readouterr().out
    missing = [
        name for name in Fault.__struct_fields__ if name not in ("effect", "message") and f"{name}=" not in shown
    ]
    assert missing == []
