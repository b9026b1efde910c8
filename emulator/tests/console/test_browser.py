# SPDX-License-Identifier: Apache-2.0
"""The console in a real browser, where there is one: pictures of its pages, and no complaint about them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from helpers.emulator_calls import PLACEMENT, ended, provision, submit
from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PNG = b"\x89PNG"
# Kept for people to look at.
PICTURES = Path(__file__).parents[3] / ".test-output" / "console"

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


async def test_a_script_error_would_be_noticed(tmp_path: Path) -> None:
    _, complaints = await browse("data:text/html,<script>throw new Error('of the page')</script>", tmp_path)
    assert "of the page" in complaints[0]


async def test_pages_give_the_browser_no_cause_for_complaint(
    emulator: Emulator, client: SignedClient, tmp_path: Path
) -> None:
    await provision(client)
    command = "scripted: outcome=failed exit_code=2 stderr='input.csv: no such file'"
    job_id = await submit(client, "JOB_RUNNING", "JOB_FAILED", command=command)
    await ended(emulator, job_id)
    node = {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"}
    env = {"EnvName": "nightly", "DesiredComputeNodeCount": 2, "EnvData": node}
    env_id = (await client.api("CreateComputeEnv", {"Placement": PLACEMENT, "ComputeEnv": env}))["EnvId"]

    PICTURES.mkdir(parents=True, exist_ok=True)
    pages = {
        "overview": "/",
        "job": f"/console/jobs/{job_id}",
        "environment": f"/console/envs/{env_id}",
        "queue": "/console/queues/results",
        "topic": "/console/topics/jobs",
        "requests": "/console/requests",
    }

    async def photograph(name: str, path: str) -> list[str]:
        picture = PICTURES / f"{name}.png"
        picture.unlink(missing_ok=True)
        _, complaints = await browse(f"{emulator.endpoint}{path}", tmp_path / name, f"--screenshot={picture}")
        assert picture.read_bytes().startswith(PNG)
        print(f"screenshot of {path}: {picture}")
        return complaints

    # At once, since a browser spends most of its start waiting for itself.
    complaints = await asyncio.gather(*(photograph(name, path) for name, path in pages.items()))
    assert [one for some in complaints for one in some] == []


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

    emulator.batch.job_rows = rows_and_note  # type: ignore[method-assign]  # to see the page read
    creation = asyncio.ensure_future(create_later())
    shown, complaints = await browse(f"{emulator.endpoint}/", tmp_path, "--dump-dom")
    await creation

    assert "/console/queues/first" in shown
    assert "/console/queues/later" in shown
    assert complaints == []
