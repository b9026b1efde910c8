# SPDX-License-Identifier: Apache-2.0
"""The data plane over the port: methods, signatures and numbered codes."""

from __future__ import annotations

import asyncio

import pytest
from helpers.emulator_calls import provision
from helpers.signed_client import SignedClient, until

from tencent_batch_emulator.emulator import Emulator


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_host_may_be_signed_without_its_port(client: SignedClient, method: str) -> None:
    client.host = "127.0.0.1"

    assert (await client.cmq("ReceiveMessage", method=method, queueName="nowhere"))["code"] == 4440


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signature_method", ["HmacSHA1", "HmacSHA256"])
async def test_both_methods_and_both_signatures_are_taken(
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
async def test_refusals_come_with_http_200_and_their_numbers(
    client: SignedClient, params: dict[str, str], code: int, number: str
) -> None:
    changed = {name: value for name, value in params.items() if name != "Signature"}
    action = changed.pop("Action", "ReceiveMessage")
    signed = {**client.cmq_params(action, "POST", queueName="q", **changed), **params}

    response = await client.cmq_response(signed)

    assert response.status_code == 200
    assert response.json()["code"] == code
    assert response.json()["message"].startswith(number)


async def test_other_methods_and_unreadable_bodies_are_refused(client: SignedClient) -> None:
    for method, content, number in (
        ("PUT", b"", "(10410)"),
        ("POST", b"msgBody=%ff", "(10420)"),
        ("POST", b"&".join(b"a=1" for _ in range(2000)), "(10420)"),
        ("POST", b"x" * (4 * 1024 * 1024 + 1), "(10420)"),
    ):
        response = await client.http.request(method, "/v2/index.php", content=content)
        assert (response.status_code, response.json()["code"]) == (200, 4000)
        assert response.json()["message"].startswith(number)


async def test_a_message_larger_than_the_largest_has_its_own_code(client: SignedClient) -> None:
    await provision(client)
    largest = "&" * 1_048_576

    assert (await client.cmq("SendMessage", queueName="results", msgBody=largest))["code"] == 0
    assert (await client.cmq("SendMessage", queueName="results", msgBody=largest + "&"))["code"] == 4400


async def test_a_request_that_is_sent_twice_is_refused(client: SignedClient) -> None:
    await provision(client)
    params = client.cmq_params("SendMessage", "POST", queueName="results", msgBody="once")

    codes = [(await client.cmq_response(params)).json()["code"] for _ in range(2)]

    assert codes == [0, 4100]


async def test_a_reader_that_died_in_a_long_poll_loses_no_message(emulator: Emulator, client: SignedClient) -> None:
    await provision(client)
    poll = asyncio.ensure_future(client.cmq("ReceiveMessage", queueName="results", pollingWaitSeconds=30))
    await until(lambda: emulator.broker.queues.get("results").waiting_receivers)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await until(lambda: emulator.requests.count("ReceiveMessage", code="LEFT"))

    await client.cmq("SendMessage", queueName="results", msgBody="for the living")

    assert (await client.cmq("ReceiveMessage", queueName="results"))["msgBody"] == "for the living"
