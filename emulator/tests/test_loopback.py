# SPDX-License-Identifier: Apache-2.0
"""Who can reach the emulator: this machine, and others only when it is told so, which it then says loudly."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from helpers.emulator_process import Process

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.loopback import is_loopback, without_port

# Binds to 127.0.0.1, but is no name that the emulator takes for the loopback: exposed as far as it knows.
LOOKS_EXPOSED = "127.1"


async def test_it_listens_on_one_address_of_the_loopback(emulator: Emulator) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", emulator.port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", LOOKS_EXPOSED])
async def test_an_address_of_others_is_refused_before_anything_listens(host: str) -> None:
    with pytest.raises(ValueError, match=r"loopback only.*expose=True.*--expose"):
        Emulator(host=host)


async def test_an_exposed_emulator_says_so_in_its_log() -> None:
    with structlog.testing.capture_logs() as logs:
        async with Emulator(host=LOOKS_EXPOSED, expose=True, runner="scripted") as exposed:
            port = exposed.port
    (warning,) = [one for one in logs if one["log_level"] == "warning"]
    assert "OTHER MACHINES" in warning["event"]
    assert (warning["host"], warning["port"]) == (LOOKS_EXPOSED, port)


async def test_an_emulator_of_the_loopback_has_nothing_to_warn_of() -> None:
    with structlog.testing.capture_logs() as logs:
        async with Emulator(runner="scripted", expose=True):
            pass
    assert [one for one in logs if one["log_level"] == "warning"] == []


def test_the_command_says_so_too(process: Process) -> None:
    process.start("--host", LOOKS_EXPOSED, "--expose", "--runner", "scripted")
    _, shown = process.end()
    assert "WARNING: other machines can reach it" in shown


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("::1", True),
        ("[::1]:80", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        (":80", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("127.0.0.1.example:80", False),
        ("localhost:example", False),
    ],
)
def test_only_names_of_this_machine_count_as_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8700", "127.0.0.1"),
        ("localhost:80", "localhost"),
        ("[::1]:8700", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
        ("cmq-gz.public.tencenttdmq.com", "cmq-gz.public.tencenttdmq.com"),
        ("localhost:", "localhost:"),
        ("", ""),
    ],
)
def test_a_port_is_taken_off_a_host_and_nothing_else(host: str, name: str) -> None:
    assert without_port(host) == name
