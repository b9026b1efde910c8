# SPDX-License-Identifier: Apache-2.0
"""The console in a real browser: pictures of its pages, and no complaint about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from helpers.browser import Browser, open_browser
from helpers.emulator_calls import PLACEMENT, ended, provision, submit
from helpers.pictures import picture, show_in_guides
from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator

PNG = b"\x89PNG"

pytestmark = pytest.mark.browser


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_browser(tmp_path) as running:
        yield running


async def test_a_script_error_would_be_noticed(browser: Browser) -> None:
    page = await browser.page()
    await page.open("data:text/html,<script>throw new Error('of the page')</script>")
    assert "of the page" in page.complaints[0]


async def test_pages_give_the_browser_no_cause_for_complaint(
    emulator: Emulator, client: SignedClient, browser: Browser
) -> None:
    await provision(client)
    command = "scripted: outcome=failed exit_code=2 stderr='input.csv: no such file'"
    job_id = await submit(client, "JOB_RUNNING", "JOB_FAILED", command=command)
    await ended(emulator, job_id)
    node = {"InstanceType": "S5.LARGE8", "ImageId": "img-eb30mz89"}
    env = {"EnvName": "nightly", "DesiredComputeNodeCount": 2, "EnvData": node}
    env_id = (await client.api("CreateComputeEnv", {"Placement": PLACEMENT, "ComputeEnv": env}))["EnvId"]

    pages = {
        "overview": "/",
        "job": f"/console/jobs/{job_id}",
        "environment": f"/console/envs/{env_id}",
        "queue": "/console/queues/results",
        "topic": "/console/topics/jobs",
        "requests": "/console/requests",
    }
    complaints = {}
    for name, path in pages.items():
        page = await browser.page(height=750)
        await page.open(f"{emulator.endpoint}{path}")
        taken = picture(f"console-{name}.png")
        await page.photograph(taken)
        assert taken.read_bytes().startswith(PNG)
        print(f"screenshot of {path}: {taken}")
        complaints[name] = page.complaints
    assert complaints == {name: [] for name in pages}
    show_in_guides("console-job.png")


async def test_an_open_page_renews_itself(emulator: Emulator, client: SignedClient, browser: Browser) -> None:
    await client.api("CreateCmqQueue", {"QueueName": "first"}, service="tdmq")
    page = await browser.page()
    await page.open(emulator.endpoint)
    html = "document.documentElement.outerHTML"
    await page.wait_for(f"{html}.includes('/console/queues/first')")
    # The page that is shown cannot have what is made only now.
    await client.api("CreateCmqQueue", {"QueueName": "later"}, service="tdmq")
    await page.wait_for(f"{html}.includes('/console/queues/later')")
    assert page.complaints == []
