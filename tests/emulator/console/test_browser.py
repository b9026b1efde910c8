# SPDX-License-Identifier: Apache-2.0
"""The console in a real browser, where there is one: pictures of its pages, and no complaint about them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from emulator.signed_client import SignedClient
from emulator.test_emulator import ended, provision, submit

from airflow_batch_events.emulator.emulator import Emulator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PNG = b"\x89PNG"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


async def browse(url: str, folder: Path, *options: str) -> tuple[str, list[str]]:
    """Let four seconds of a page pass, and return what it shows then and what the browser complains about."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,1400"),
        *(f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=4000"),
        *(*options, url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, logged = await asyncio.wait_for(process.communicate(), 60)
    return shown.decode(), [line for line in logged.decode().splitlines() if ":CONSOLE" in line]


async def test_pages_look_right_and_the_browser_has_nothing_to_complain_about(
    emulator: Emulator, client: SignedClient, tmp_path: Path
) -> None:
    await provision(client)
    command = "scripted: outcome=failed exit_code=2 stderr='input.csv: no such file'"
    job_id = await submit(client, "JOB_RUNNING", "JOB_FAILED", command=command)
    await ended(emulator, job_id)

    for name, path in (("overview", "/"), ("job", f"/console/jobs/{job_id}"), ("queue", "/console/queues/results")):
        picture = tmp_path / f"{name}.png"
        _, complaints = await browse(f"{emulator.endpoint}{path}", tmp_path, f"--screenshot={picture}")
        assert complaints == []
        assert picture.read_bytes().startswith(PNG)
        print(f"screenshot of {path}: {picture}")


async def test_an_open_page_renews_itself(emulator: Emulator, client: SignedClient, tmp_path: Path) -> None:
    await client.api("CreateCmqQueue", {"QueueName": "first"}, service="tdmq")

    async def create_later() -> None:
        await pages_seen.wait()
        await client.api("CreateCmqQueue", {"QueueName": "later"}, service="tdmq")

    # The page that is loaded cannot show what is made only after it was read.
    pages_seen = asyncio.Event()
    rows = emulator.batch.job_rows

    def rows_and_note(limit: int = 100) -> list[dict[str, object]]:
        asyncio.get_running_loop().call_soon(pages_seen.set)
        return rows(limit)

    emulator.batch.job_rows = rows_and_note  # type: ignore[method-assign]
    creation = asyncio.ensure_future(create_later())
    shown, complaints = await browse(f"{emulator.endpoint}/", tmp_path, "--dump-dom")
    await creation

    assert "/console/queues/first" in shown
    assert "/console/queues/later" in shown
    assert complaints == []
