# SPDX-License-Identifier: Apache-2.0
"""The whole emulator over its port: what anybody who writes a client would try first."""

from __future__ import annotations

import asyncio
import json
import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from helpers.emulator_calls import PLACEMENT, ended, job, provision, submit
from helpers.signed_client import SignedClient, until

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.message_faults import event_name
from tencent_batch_emulator.faults.rules import Fault


async def event_names(client: SignedClient, wait: int = 3) -> list[str]:
    """Receive and delete until the queue stays empty, and return the events' names."""
    names: list[str] = []
    while True:
        answer = await client.cmq("BatchReceiveMessage", queueName="results", numOfMsg=16, pollingWaitSeconds=wait)
        if answer["code"] == 7000:
            return names
        for message in answer["msgInfoList"]:
            names.extend(event["EventName"] for event in json.loads(message["msgBody"])["Events"])
            deleted = await client.cmq("DeleteMessage", queueName="results", receiptHandle=message["receiptHandle"])
            assert deleted["code"] == 0
        wait = 0


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

        began = time.monotonic()
        await emulator.stop()

        assert time.monotonic() - began < 2
        with pytest.raises(httpx.TransportError):
            await poll
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid_file.read_text()), 0)


async def test_a_tc3_request_can_be_a_get(client: SignedClient) -> None:
    job_id = await submit(client)

    answer = await client.api(
        "DescribeJobs", {"Filters.0.Name": "job-id", "Filters.0.Values.0": job_id, "Limit": "5"}, method="GET"
    )

    assert [found["JobId"] for found in answer["JobSet"]] == [job_id]


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"action": "SubmitJobs"}, "InvalidAction"),
        ({"x_tc_version": "2016-01-01"}, "NoSuchVersion"),
        ({"x_tc_version": ""}, "MissingParameter"),
        ({"action": ""}, "MissingParameter"),
        ({"x_tc_region": ""}, "MissingParameter"),
        ({"x_tc_region": "Guangzhou"}, "UnsupportedRegion"),
        ({"service": "cvm"}, "NoSuchProduct"),
        ({"content": b"{"}, "InvalidParameter"),
        ({"content": b"[1]"}, "InvalidParameter"),
        ({"content": b"\xff"}, "InvalidParameter"),
        ({"content": b"[" * 100_000}, "InvalidParameter"),
        ({"content_type": "text/plain"}, "InvalidRequest"),
        ({"x_tc_timestamp": "1551113065"}, "AuthFailure.SignatureExpire"),
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"x_tc_token": "stray"}, "AuthFailure.TokenFailure"),
    ],
)
async def test_a_request_that_is_wrong_gets_the_clouds_envelope_with_its_code(
    client: SignedClient, bent: dict[str, Any], code: str
) -> None:
    answer = await client.api(**{"action": "DescribeJobs", **bent})

    assert answer["Error"]["Code"] == code
    assert answer["Error"]["Message"]
    assert len(answer["RequestId"]) == 36


@pytest.mark.parametrize(
    ("action", "params", "version", "found"),
    [
        ("DescribeJobs", {}, "2017-03-12", "batch"),
        ("DescribeCmqQueues", {}, "2020-02-17", "tdmq"),
        (
            "AssumeRole",
            {"RoleArn": "qcs::cam::uin/1250000001:roleName/any", "RoleSessionName": "me"},
            "2018-08-13",
            "sts",
        ),
    ],
)
async def test_a_service_that_the_scope_does_not_name_is_found_by_version_and_action(
    emulator: Emulator, client: SignedClient, action: str, params: dict[str, Any], version: str, found: str
) -> None:
    for scope in ("127", "localhost:8700"):
        assert "Error" not in await client.api(action, params, service=scope, x_tc_version=version)
    assert emulator.requests.count(action, service=found, code="OK") == 2

    refused = await client.api(action, params, service="127", x_tc_version="2019-01-01")
    assert refused["Error"]["Code"] == "NoSuchProduct"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_data_plane_takes_a_host_that_was_signed_without_its_port(client: SignedClient, method: str) -> None:
    client.host = "127.0.0.1"

    assert (await client.cmq("ReceiveMessage", method=method, queueName="nowhere"))["code"] == 4440


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


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signature_method", ["HmacSHA1", "HmacSHA256"])
async def test_the_data_plane_takes_both_methods_and_both_signatures(
    client: SignedClient, method: str, signature_method: str
) -> None:
    await provision(client)
    sent = await client.cmq(
        "SendMessage", method=method, queueName="results", msgBody="a b&c=%_@ü", SignatureMethod=signature_method
    )
    received = await client.cmq(
        "ReceiveMessage", method=method, queueName="results", SignatureMethod=signature_method, UserHint="3"
    )

    assert (sent["code"], sent["message"]) == (0, "")
    assert (received["code"], received["msgBody"], received["msgId"]) == (0, "a b&c=%_@ü", sent["msgId"])
    assert isinstance(received["requestId"], str)


@pytest.mark.parametrize(
    ("params", "code", "number"),
    [
        ({"Action": "CreateQueue"}, 4000, "(10430)"),
        ({"SecretId": "EXAMPLE"}, 4000, "(10450)"),
        ({"SecretId": "AKIDnobody"}, 4100, "(10270)"),
        ({"Timestamp": "1534154812"}, 4100, "(10030)"),
        ({"Signature": "c2lnbmF0dXJl"}, 4100, "(10030)"),
        ({"Nonce": ""}, 4000, "(10390)"),
    ],
)
async def test_data_plane_refusals_come_with_http_200_and_the_documented_numbers(
    client: SignedClient, params: dict[str, str], code: int, number: str
) -> None:
    changed = {name: value for name, value in params.items() if name != "Signature"}
    action = changed.pop("Action", "ReceiveMessage")
    signed = {**client.cmq_params(action, "POST", queueName="q", **changed), **params}

    response = await client.cmq_response(signed)

    assert response.status_code == 200
    assert response.json()["code"] == code
    assert response.json()["message"].startswith(number)


async def test_the_data_plane_refuses_other_methods_and_what_it_cannot_read(client: SignedClient) -> None:
    for method, content, number in (
        ("PUT", b"", "(10410)"),
        ("POST", b"msgBody=%ff", "(10420)"),
        ("POST", b"&".join(b"a=1" for _ in range(2000)), "(10420)"),
        ("POST", b"x" * (4 * 1024 * 1024 + 1), "(10420)"),
    ):
        response = await client.http.request(method, "/v2/index.php", content=content)
        assert (response.status_code, response.json()["code"]) == (200, 4000)
        assert response.json()["message"].startswith(number)


async def test_the_largest_message_goes_through_and_a_larger_one_gets_its_own_code(client: SignedClient) -> None:
    await provision(client)
    largest = "&" * 1_048_576

    assert (await client.cmq("SendMessage", queueName="results", msgBody=largest))["code"] == 0
    assert (await client.cmq("SendMessage", queueName="results", msgBody=largest + "&"))["code"] == 4400


async def test_an_api_request_that_is_too_large_is_told_so(client: SignedClient) -> None:
    answer = await client.api("DescribeJobs", content=b" " * (10 * 1024 * 1024 + 1))

    assert answer["Error"]["Code"] == "RequestSizeLimitExceeded"


async def test_a_request_that_is_sent_twice_is_refused(client: SignedClient) -> None:
    await provision(client)
    params = client.cmq_params("SendMessage", "POST", queueName="results", msgBody="once")

    codes = [(await client.cmq_response(params)).json()["code"] for _ in range(2)]

    assert codes == [0, 4100]


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


async def test_a_reader_that_died_in_a_long_poll_takes_no_message_with_it(
    emulator: Emulator, client: SignedClient
) -> None:
    await provision(client)
    poll = asyncio.ensure_future(client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=30))
    await until(lambda: emulator.broker.queues.get("results").waiting_receivers)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await until(lambda: emulator.requests.count("ReceiveMessage", code="LEFT"))

    await client.cmq("SendMessage", queueName="results", msgBody="for the living")

    assert (await client.cmq("ReceiveMessage", queueName="results"))["msgBody"] == "for the living"


async def test_an_event_can_be_dropped_duplicated_and_corrupted(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.drop_next("JOB_SUCCEED")
    await ended(emulator, await submit(client, "JOB_SUCCEED"))
    assert await event_names(client, wait=0) == []

    emulator.faults.duplicate_next("JOB_SUCCEED", times=3)
    await submit(client, "JOB_SUCCEED")
    assert await event_names(client) == ["JOB_SUCCEED"] * 3

    emulator.faults.corrupt_next("JOB_SUCCEED")
    await submit(client, "JOB_SUCCEED")
    message = await client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=3)
    assert event_name(message["msgBody"]) == ""


async def test_an_event_can_be_delayed(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.delay_next("JOB_SUCCEED", seconds=20)
    await ended(emulator, await submit(client, "JOB_SUCCEED"))
    assert await event_names(client, wait=0) == []

    emulator.clock.advance(20)

    assert await event_names(client) == ["JOB_SUCCEED"]


async def test_a_fault_can_be_for_one_of_the_queues_that_a_topic_fills(
    emulator: Emulator, client: SignedClient
) -> None:
    await provision(client)
    await client.api("CreateCmqQueue", {"QueueName": "other"}, service="tdmq")
    await client.api(
        "CreateCmqSubscribe",
        {"TopicName": "jobs", "SubscriptionName": "two", "Protocol": "queue", "Endpoint": "other"},
        service="tdmq",
    )
    emulator.faults.add(Fault(effect="drop", queue="other"))

    await client.cmq("PublishMessage", topicName="jobs", msgBody="x")

    assert (await client.cmq("ReceiveMessage", queueName="results"))["msgBody"] == "x"
    assert (await client.cmq("ReceiveMessage", queueName="other"))["code"] == 7000


async def test_messages_that_are_sent_meet_faults_one_by_one(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    emulator.faults.add(Fault(effect="drop", queue="results", next=1))

    sent = await client.cmq(
        "BatchSendMessage", queueName="results", **{"msgBody.1": "a", "msgBody.2": "b", "msgBody.3": "c"}
    )
    received = await client.cmq("BatchReceiveMessage", queueName="results", numOfMsg=16)

    assert len({message["msgId"] for message in sent["msgList"]}) == 3
    assert sorted(message["msgBody"] for message in received["msgInfoList"]) == ["b", "c"]


async def test_requests_can_be_answered_with_errors(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.fail_next("DescribeJobs", "InternalError")
    emulator.faults.fail_next(service="cmq", code="6000")
    emulator.faults.fail_next("SubmitJob", "LimitExceeded.JobQuota")

    assert (await client.api("DescribeJobs"))["Error"]["Code"] == "InternalError"
    assert "Error" not in await client.api("DescribeJobs")
    assert (await client.cmq("ReceiveMessage", queueName="q"))["code"] == 6000
    refused = await client.api("SubmitJob", {"Placement": PLACEMENT, "Job": job()})
    assert refused["Error"]["Code"] == "LimitExceeded.JobQuota"
    assert emulator.batch.job_rows() == []


async def test_both_protocols_can_fail_with_http_500(emulator: Emulator, client: SignedClient) -> None:
    number = emulator.faults.http_500()

    assert (await client.api_response("DescribeJobs")).status_code == 500
    assert (await client.cmq_response(client.cmq_params("ReceiveMessage", "POST"))).status_code == 500

    emulator.faults.remove(number)
    assert (await client.api_response("DescribeJobs")).status_code == 200


async def test_throttling_answers_what_each_protocol_says_of_it(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.throttle(per_second=0.001)
    await client.api("DescribeJobs")
    await client.cmq("ReceiveMessage", queueName="q")

    assert (await client.api("DescribeJobs"))["Error"]["Code"] == "RequestLimitExceeded"
    assert (await client.cmq("ReceiveMessage", queueName="q"))["code"] == 4420


async def test_a_connection_can_be_cut_before_or_after_the_effect(emulator: Emulator, client: SignedClient) -> None:
    for when, jobs in (("before", 0), ("after", 1)):
        emulator.faults.cut_next("SubmitJob", when=when)
        with pytest.raises(httpx.RemoteProtocolError):
            await submit(client)
        assert len(emulator.batch.job_rows()) == jobs
    assert emulator.requests.count("SubmitJob", code="CUT") == 2


async def test_a_cut_hits_one_connection_only(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    poll = asyncio.ensure_future(client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=30))
    await until(lambda: emulator.broker.queues.get("results").waiting_receivers)
    emulator.faults.cut_next("DescribeJobs")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.api("DescribeJobs")

    await client.cmq("SendMessage", queueName="results", msgBody="still here")
    assert (await poll)["msgBody"] == "still here"


async def test_a_request_can_hang_by_the_emulators_clock(emulator: Emulator, client: SignedClient) -> None:
    emulator.faults.hang_next("DescribeJobs", seconds=60)
    call = asyncio.ensure_future(client.api("DescribeJobs"))
    await asyncio.sleep(0.1)
    assert not call.done()

    emulator.clock.advance(60)

    assert "Error" not in await call


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
