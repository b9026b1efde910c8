# SPDX-License-Identifier: Apache-2.0
"""Processes that leave their session: none of them outlives its command, its runner, or the emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tencent_batch_emulator.services.batch.runners import keeper

LIMIT = 60.0
PYTHON = sys.executable

# A daemon as books describe it: a session of its own, two forks, no terminal, no open file, nothing of its environment.
DAEMON = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
os.closerange(0, 100)
with open(sys.argv[1], "a") as file: file.write(f"{os.getpid()}\\n")
os.execve("/bin/sleep", ["sleep", "600"], {})
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to whom asks for them")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Daemons:
    """Commands that start daemons, and the daemons' process ids."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "daemon.py"
        self.script.write_text(DAEMON)
        self.file = folder / "pids"

    def command(self, then: str) -> str:
        """Start one, wait until it is there, and do something then."""
        return f"{PYTHON} -I -S {self.script} {self.file}; while ! [ -s {self.file} ]; do sleep 0.01; done; {then}"

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self.file.read_text().split()] if self.file.exists() else []


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    started = Daemons(tmp_path)
    yield started
    for pid in started.pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def keep(command: str) -> subprocess.Popen[bytes]:
    arguments = [PYTHON, "-I", "-S", keeper.__file__, str(os.getpid()), command]
    return subprocess.Popen(arguments, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_daemon_ends_with_the_command_that_has_started_it(daemons: Daemons) -> None:
    kept = keep(daemons.command("exit 3"))

    assert kept.wait(LIMIT) == 3
    assert daemons.pids
    assert not any(is_alive(pid) for pid in daemons.pids)


def test_a_daemon_ends_when_its_command_is_to_be_ended(daemons: Daemons) -> None:
    kept = keep(daemons.command("trap '' TERM; while true; do sleep 1; done"))
    until(lambda: daemons.pids)
    kept.send_signal(keeper.END_NOW)

    assert kept.wait(LIMIT) == -signal.SIGKILL
    assert not any(is_alive(pid) for pid in daemons.pids)


@pytest.mark.parametrize("leave", ["setsid {} &", "(setsid {} &)", "nohup setsid {} &", "env -i setsid {} &"])
def test_what_the_shell_sends_away_ends_too(daemons: Daemons, leave: str) -> None:
    sleeper = f"sh -c 'echo $$ >> {daemons.file}; exec sleep 600'"
    kept = keep(f"{leave.format(sleeper)}\nwhile ! [ -s {daemons.file} ]; do sleep 0.01; done")

    assert kept.wait(LIMIT) == 0
    assert daemons.pids
    assert not any(is_alive(pid) for pid in daemons.pids)


def test_everything_ends_when_the_emulator_is_killed(daemons: Daemons) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-I', '-S', sys.argv[1], str(os.getpid()), sys.argv[2]],"
        " start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    command = daemons.command(f"echo $$ >> {daemons.file}; trap '' TERM HUP; sleep 600; true")
    emulator = subprocess.Popen([PYTHON, "-c", code, keeper.__file__, command])
    until(lambda: len(daemons.pids) == 2)
    emulator.kill()
    emulator.wait(LIMIT)

    until(lambda: not any(is_alive(pid) for pid in daemons.pids))


def test_a_keeper_that_comes_too_late_starts_nothing(tmp_path: Path) -> None:
    arguments = [PYTHON, "-I", "-S", keeper.__file__, "1", f"touch {tmp_path}/started"]

    assert subprocess.run(arguments, timeout=LIMIT, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("exit 0", 0),
        ("exit 137", 137),
        ("kill -9 $$", -9),
        ("kill -SEGV $$", -11),
        ("kill -TERM 0; exit 5", -15),
        ("trap '' TERM INT HUP USR1; kill -TERM 0; kill -INT 0; kill -HUP 0; kill -USR1 0; exit 6", 6),
        ("no-such-command", 127),
    ],
)
def test_the_keeper_ends_as_its_command_does(command: str, code: int) -> None:
    kept = keep(command)
    assert kept.wait(LIMIT) == code


def test_the_command_gets_signals_as_it_would_without_a_keeper() -> None:
    # The C library keeps two signals for itself, and no program can set them.
    internal = 1 << 32 - 1 | 1 << 33 - 1

    def masks(process: subprocess.Popen[bytes]) -> dict[str, int]:
        status, _ = process.communicate(timeout=LIMIT)
        lines = dict(line.split(":\t") for line in status.decode().splitlines() if ":\t" in line)
        return {name: int(lines[name], 16) & ~internal for name in ("SigBlk", "SigIgn")}

    command = "cat /proc/self/status"
    bare = subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE)

    assert masks(keep(command)) == masks(bare)


def test_an_ended_child_is_not_taken_for_the_command() -> None:
    kept = keep("i=0; while [ $i -lt 20 ]; do (true &); i=$((i+1)); done; sleep 0.1; exit 4")

    assert kept.wait(LIMIT) == 4
