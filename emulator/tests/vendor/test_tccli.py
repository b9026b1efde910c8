# SPDX-License-Identifier: Apache-2.0
"""
The vendor's command line, unmodified, against the emulator's port: every action, errors included.

It brings the all-in-one SDK, some 350 MB, so it lives in an environment of its own that the first run makes below
``.test-output``, and it is tried only when ``TCCLI=1`` asks for it. Its ``--endpoint`` takes a scheme, so that it needs
no TLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from helpers.action_trials import settings, try_action
from helpers.vendor_actions import TRIALS

from tencent_batch_emulator.emulator import Emulator

pytestmark = pytest.mark.skipif(
    os.environ.get("TCCLI") != "1", reason="TCCLI=1 installs tccli into an environment of its own (350 MB) and tries it"
)

VENV = Path(__file__).parents[3] / ".test-output" / "tccli-venv"
_CODE = re.compile(r"code:(\S+) message:.* requestId:(\S+)", re.DOTALL)
_INSTALL_LIMIT = 900
_CALL_LIMIT = 60


@pytest.fixture(scope="session")
def program() -> Path:
    """Install the command line, once for all runs."""
    program = VENV / "bin" / "tccli"
    if not program.exists():
        python = str(VENV / "bin" / "python")
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        if uv := shutil.which("uv", path=os.pathsep.join(places)):
            make, install = [uv, "venv", "--quiet", "--clear", str(VENV)], [uv, "pip", "install", "--python", python]
        else:
            make, install = [sys.executable, "-m", "venv", "--clear", str(VENV)], [python, "-m", "pip", "install"]
        for command in (make, [*install, "--quiet", "tccli"]):
            subprocess.run(command, check=True, timeout=_INSTALL_LIMIT)
    return program


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(**settings()) as running:
        yield running


class CommandLine:
    """
    Call ``tccli``.

    :param program: It.
    :param service: ``batch`` or ``tdmq``.
    :param emulator: Where it goes.
    :param home: Where it keeps its settings.
    """

    def __init__(self, program: Path, service: str, emulator: Emulator, home: Path) -> None:
        self._program = program
        self._service = service
        self._emulator = emulator
        self._home = home

    async def run(self, action: str, *options: str) -> tuple[int, str]:
        """Return the exit code, and what it printed."""
        key = {
            "TENCENTCLOUD_SECRET_ID": self._emulator.secret_id,
            "TENCENTCLOUD_SECRET_KEY": self._emulator.secret_key,
            "TENCENTCLOUD_REGION": self._emulator.region,
        }
        process = await asyncio.create_subprocess_exec(
            *(str(self._program), self._service, action, *options),
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "LANG": "C.UTF-8", **key},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), _CALL_LIMIT)
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def request(self, action: str, params: dict[str, Any]) -> tuple[int, str]:
        """Call an action of the emulator's."""
        given = [
            (f"--{name}", value if isinstance(value, str) else json.dumps(value)) for name, value in params.items()
        ]
        return await self.run(action, "--endpoint", self._emulator.endpoint, *(word for pair in given for word in pair))

    async def answer(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of a call that must succeed."""
        code, printed = await self.request(action, params)
        assert code == 0, printed
        answer: dict[str, Any] = json.loads(printed)
        return answer

    async def error(self, action: str, /, **params: Any) -> str:
        """Return the code of a call that must be refused."""
        code, printed = await self.request(action, params)
        told = _CODE.search(printed)
        assert told, printed
        assert code != 0
        assert told[2] != "None", printed
        return told[1]


@pytest.mark.parametrize(("service", "action"), [(service, action) for service in TRIALS for action in TRIALS[service]])
async def test_every_action_is_refused_throttled_and_done(
    program: Path, emulator: Emulator, tmp_path: Path, service: str, action: str
) -> None:
    await try_action(CommandLine(program, service, emulator, tmp_path), emulator, service, action)


async def test_its_help_shows_the_option_that_points_it_here(program: Path, emulator: Emulator, tmp_path: Path) -> None:
    code, printed = await CommandLine(program, "batch", emulator, tmp_path).run("DescribeJobs", "help")
    assert code == 0
    assert "--endpoint" in printed


@pytest.mark.parametrize("service", TRIALS)
async def test_it_has_no_action_that_is_not_tried_here(
    program: Path, emulator: Emulator, tmp_path: Path, service: str
) -> None:
    _, printed = await CommandLine(program, service, emulator, tmp_path).run("help")
    offered = set(re.findall(r"<([A-Z]\w+)>", printed))
    if service == "tdmq":
        offered = {action for action in offered if "Cmq" in action or "DeadLetter" in action}
    assert offered == set(TRIALS[service])
