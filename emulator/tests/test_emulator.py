# SPDX-License-Identifier: Apache-2.0
"""The whole emulator over its port: what anybody who writes a client would try first."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from helpers.emulator_calls import PLACEMENT, event_names, job, provision, submit
from helpers.signed_client import SignedClient, until

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.emulator import Emulator


async def test_a_job_runs_and_its_events_reach_the_queue(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    job_id = await submit(client, "JOB_RUNNING", "JOB_SUCCEED")

    message = await client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=3)

    assert message["code"] == 0
    assert json.loads(message["msgBody"])["Events"][0]["Batch"]["JobId"] == job_id
    assert (await client.api("DescribeJob", {"JobId": job_id}))["JobId"] == job_id


async def test_a_command_really_runs_in_a_process(tmp_path: Path) -> None:
    async with (
        Emulator(work_dir=tmp_path) as emulator,
        SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, time.time) as client,
    ):
        await provision(client)
        proof = tmp_path / "proof"
        job_id = await submit(client, "JOB_FAILED", command=f"echo $BATCH_JOB_ID > {proof}; exit 3")

        assert await event_names(client, wait=10) == ["JOB_FAILED"]
        assert proof.read_text().strip() == job_id


async def test_stopping_ends_the_processes_of_jobs_and_every_long_poll(tmp_path: Path) -> None:
    emulator = Emulator()
    await emulator.start()
    async with SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, time.time) as client:
        await provision(client)
        pid_file = tmp_path / "pid"
        await submit(client, command=f"echo $$ > {pid_file}; trap '' TERM; sleep 600")
        poll = asyncio.ensure_future(client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=30))
        await until(lambda: pid_file.exists() and pid_file.read_text().strip())

        await asyncio.wait_for(emulator.stop(), 60)

        with pytest.raises(httpx.TransportError):
            await poll
        await until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}").exists())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_runs_unsigned(emulator: Emulator, client: SignedClient, method: str) -> None:
    response = await client.http.request(
        method, "/", json={"Placement": PLACEMENT, "Job": job()}, headers={"x-tc-action": "SubmitJob"}
    )

    code = response.json()["Response"]["Error"]["Code"]
    assert code == ("AuthFailure.InvalidAuthorization" if method == "POST" else "UnsupportedProtocol")
    assert emulator.batch.job_rows() == []


async def test_a_temporary_key_works_with_its_token_until_it_expires(emulator: Emulator, client: SignedClient) -> None:
    key = emulator.keys.issue_temporary(emulator.key.account, emulator.clock.time() + 60)
    token = key.token or ""
    async with SignedClient(emulator.endpoint, key.secret_id, key.secret_key, emulator.clock.time) as temporary:
        assert "Error" not in await temporary.api("DescribeJobs", x_tc_token=token)
        assert (await temporary.api("DescribeJobs"))["Error"]["Code"] == "AuthFailure.TokenFailure"
        assert (await temporary.cmq("ReceiveMessage", queueName="q", Token=token))["code"] == 4440
        assert (await temporary.cmq("ReceiveMessage", queueName="q"))["code"] == 4100
        emulator.clock.advance(60)
        assert (await temporary.api("DescribeJobs", x_tc_token=token))["Error"]["Code"] == "AuthFailure.TokenFailure"


async def test_answers_carry_the_emulators_time() -> None:
    clock = Clock(1_600_000_000)
    async with (
        Emulator(clock=clock, runner="scripted") as emulator,
        SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, time.time) as client,
    ):
        refused = await client.api_response("DescribeJobs")
        assert refused.json()["Response"]["Error"]["Code"] == "AuthFailure.SignatureExpire"
        cloud_time = parsedate_to_datetime(refused.headers["date"]).timestamp()
        assert abs(cloud_time - clock.time()) <= 1
        assert refused.headers.get_list("date") == [refused.headers["date"]]

        answer = (await client.cmq_response(client.cmq_params("ReceiveMessage", "POST", queueName="q"))).headers
        assert abs(parsedate_to_datetime(answer["date"]).timestamp() - clock.time()) <= 1


async def test_moving_the_clock_brings_a_message_back(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    await client.cmq("SendMessage", queueName="results", msgBody="again")
    first = await client.cmq("ReceiveMessage", queueName="results")
    assert (await client.cmq("ReceiveMessage", queueName="results"))["code"] == 7000

    emulator.clock.advance(31)

    second = await client.cmq("ReceiveMessage", queueName="results")
    assert (second["msgBody"], second["receiptHandle"] != first["receiptHandle"]) == ("again", True)


async def test_the_documented_rates_can_be_switched_on() -> None:
    async with (
        Emulator(runner="scripted", rate_limits="cn", clock=Clock(running=False)) as emulator,
        SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.clock.time) as client,
    ):

        async def codes() -> list[str]:
            answers = [await client.api("DescribeJobs") for _ in range(12)]
            return [answer.get("Error", {}).get("Code", "") for answer in answers]

        assert await codes() == [""] * 10 + ["RequestLimitExceeded"] * 2
        assert "Error" not in await client.api("DescribeJobs", x_tc_region="ap-beijing")
        emulator.clock.advance(1)
        assert await codes() == [""] * 10 + ["RequestLimitExceeded"] * 2


async def test_calls_are_counted_by_action_and_code(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    await client.api("DescribeJobs")
    await client.api("DescribeJobs", secret_key="wrong")
    await client.api("Invented" * 100)
    await client.cmq("ReceiveMessage", queueName="results")
    await client.cmq("ReceiveMessage", queueName="nowhere")
    await client.cmq("Invented", queueName="results")

    count = emulator.requests.count
    assert count("CreateCmqQueue", service="tdmq", code="OK") == 1
    assert (count("DescribeJobs"), count(code="AuthFailure.SignatureFailure")) == (1, 1)
    assert count(service="batch", action="?", code="InvalidAction") == 1
    assert [count("ReceiveMessage", code=code) for code in ("7000", "4440")] == [1, 1]
    assert count() == 3 + 2 + 1 + 2 + 1
    assert next(iter(emulator.requests.last(1))).service == "cmq"
    assert emulator.requests.last(1, action="ReceiveMessage")[0].target == "nowhere"
    job_id = await submit(client)
    assert emulator.requests.last(1)[0].target == job_id


async def test_nobody_else_reaches_it_unless_it_is_told_so() -> None:
    with pytest.raises(ValueError, match=r"loopback only.*--expose"):
        Emulator(host="0.0.0.0")


async def test_a_port_that_is_taken_is_named(emulator: Emulator) -> None:
    with pytest.raises(OSError, match=str(emulator.port)):
        await Emulator(port=emulator.port).start()


async def test_an_emulator_says_that_it_does_not_run() -> None:
    emulator = Emulator()

    with pytest.raises(RuntimeError, match="enter its context"):
        emulator.endpoint  # noqa: B018
    await emulator.stop()


async def test_several_emulators_know_nothing_of_each_other(emulator: Emulator, client: SignedClient) -> None:
    async with (
        Emulator(runner="scripted") as other,
        SignedClient(other.endpoint, emulator.secret_id, emulator.secret_key, time.time) as stranger,
    ):
        assert (await stranger.api("DescribeJobs"))["Error"]["Code"] == "AuthFailure.SecretIdNotFound"
        assert emulator.secret_key not in repr(emulator)
