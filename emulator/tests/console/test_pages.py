# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import httpx
import pytest
from helpers.emulator_calls import PLACEMENT, ended, job, provision, submit
from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator

ATTACK = "<script>alert(1)</script>"


async def page(client: SignedClient, path: str = "/", status: int = 200, **headers: str) -> str:
    response = await client.http.get(path, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    return response.text


def text(html: str) -> str:
    """Return what a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def test_an_empty_emulator_says_so(client: SignedClient) -> None:
    shown = text(await page(client))

    assert "No job has been submitted yet." in shown
    assert "There is no queue yet." in shown
    assert "ap-guangzhou" in shown


async def test_the_overview_leads_to_everything_there_is(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    job_id = await submit(client, "JOB_SUCCEED")
    await client.api(
        "CreateComputeEnv",
        {
            "ComputeEnv": {
                "EnvName": "an-env",
                "DesiredComputeNodeCount": 1,
                "EnvData": {"InstanceType": "S5.MEDIUM4", "ImageId": "img-12345678"},
            },
            "Placement": PLACEMENT,
        },
    )
    await ended(emulator, job_id)

    shown = await page(client)
    links = set(re.findall(r'href="(/console/(?!static)[^"]+)"', shown))

    assert {f"/console/jobs/{job_id}", "/console/queues/results", "/console/topics/jobs"} <= links
    assert any(link.startswith("/console/envs/env-") for link in links)
    assert "CreateCmqQueue" in shown
    for link in links:
        await page(client, link)


async def test_a_job_shows_its_tasks_output_and_events(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    job_id = await submit(
        client, "JOB_FAILED", command="scripted: outcome=failed exit_code=7 stderr='no such file' stdout=hello"
    )
    await ended(emulator, job_id)

    shown = text(await page(client, f"/console/jobs/{job_id}"))

    for part in ("FAILED", "Task main", "exit code 7", "no such file", "hello", "JOB_FAILED", "published"):
        assert part in shown


async def test_a_job_without_subscribers_shows_its_lost_event(emulator: Emulator, client: SignedClient) -> None:
    job_id = await submit(client, "JOB_SUCCEED")
    await ended(emulator, job_id)

    assert "lost" in text(await page(client, f"/console/jobs/{job_id}"))


async def test_a_queue_shows_its_messages_without_receiving_them(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    await client.cmq("SendMessage", queueName="results", msgBody="look at me")

    shown = text(await page(client, "/console/queues/RESULTS"))

    assert "look at me" in shown
    assert "active" in shown
    assert emulator.broker.queues.get("results").active_count == 1
    await client.cmq("ReceiveMessage", queueName="results")
    assert "inactive until" in text(await page(client, "/console/queues/results"))


async def test_a_topic_that_nobody_listens_to_is_a_warning(client: SignedClient) -> None:
    await client.api("CreateCmqTopic", {"TopicName": "lonely"}, service="tdmq")

    assert "what is published here is lost" in text(await page(client))
    assert "6030" in text(await page(client, "/console/topics/lonely"))


async def test_faults_in_force_are_shown(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.drop_next("JOB_SUCCEED", 3)

    shown = text(await page(client))

    assert "Faults in force drop · event JOB_SUCCEED · used 0, 3 left" in shown


async def test_requests_are_shown_with_their_answers(client: SignedClient) -> None:
    await client.api("DescribeJobs")
    await client.cmq("ReceiveMessage", queueName="nowhere")

    shown = text(await page(client, "/console/requests"))

    assert "batch DescribeJobs OK 1" in shown
    assert "4440" in shown


@pytest.mark.parametrize(
    "path", ["jobs/job-00000000", "envs/env-00000000", "queues/none", "topics/none", "static/none"]
)
async def test_what_is_not_there_is_not_found(client: SignedClient, path: str) -> None:
    shown = text(await page(client, f"/console/{path}", 404))

    assert path.split("/")[1] in shown


async def test_nothing_that_a_client_sends_becomes_markup(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    description = {**job(f"scripted: stdout='{ATTACK}'"), "JobName": ATTACK}
    job_id = (await client.api("SubmitJob", {"Placement": PLACEMENT, "Job": description}))["JobId"]
    await client.cmq("SendMessage", queueName="results", msgBody=ATTACK)
    await client.api("DescribeJobs", user_agent=ATTACK)
    await ended(emulator, job_id)

    for path in ("/", f"/console/jobs/{job_id}", "/console/queues/results", "/console/topics/<script>"):
        response = await client.http.get(path)
        assert "<script>" not in response.text
        assert "&lt;script&gt;" in response.text


async def test_the_page_loads_nothing_from_elsewhere(client: SignedClient) -> None:
    html = await page(client)

    assets = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', html)
    assert sorted(assets) == ["/console/static/live.js", "/console/static/style.css"]
    for asset in assets:
        assert (await client.http.get(asset)).status_code == 200
    assert re.findall(r'(?:src|href)="https?://', html) == []
    assert "<script>" not in html


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.0.2.1", ""])
async def test_a_name_that_was_made_to_point_here_reads_nothing(client: SignedClient, host: str) -> None:
    response = await client.http.get("/", headers={"host": host})

    assert response.status_code == 403
    assert "queue" not in response.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:80", "[::1]:80"])
async def test_the_names_of_this_machine_are_answered(client: SignedClient, host: str) -> None:
    await page(client, host=host)


async def test_an_exposed_console_needs_the_key() -> None:
    async with (
        Emulator(host="0.0.0.0", expose=True, runner="scripted") as emulator,
        httpx.AsyncClient(base_url=emulator.endpoint, trust_env=False) as http,
    ):
        assert emulator.host == f"127.0.0.1:{emulator.port}"
        assert (await http.get("/")).status_code == 401
        key = httpx.BasicAuth(emulator.secret_id, emulator.secret_key)
        assert (await http.get("/", auth=key)).status_code == 200
        assert (await http.get("/", auth=key, headers={"host": "build-server:8700"})).status_code == 200


async def test_the_console_only_reads(client: SignedClient) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await client.http.request(method, "/console/queues/results")).status_code == 405
