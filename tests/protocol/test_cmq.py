# SPDX-License-Identifier: Apache-2.0
"""The data-plane client over real connections to a server that answers what each test has scripted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol.scripted_cloud import SECRET_ID, SECRET_KEY, Asked, Dates, ScriptedCloud

from airflow_batch_events.exceptions import (
    CmqCredentialsError,
    CmqNoSubscriberError,
    CmqQueueNotFoundError,
    CmqServerError,
    ConfigurationError,
    TransportError,
)
from airflow_batch_events.limits import MAX_BATCH_BYTES, MAX_MESSAGES
from airflow_batch_events.protocol.cmq import CmqClient, DeleteFailure, batches
from airflow_batch_events.protocol.credentials.access import CloudAccess

OK = {"code": 0, "message": "", "requestId": "1"}
EMPTY = {"code": 7000, "message": "(10200)no message", "requestId": "1"}
REFUSED = {"code": 4100, "message": "(10030)authentication failed"}
INFO = {
    "msgBody": "body",
    "msgId": "m1",
    "receiptHandle": "r1",
    "enqueueTime": 1,
    "nextVisibleTime": 2,
    "firstDequeueTime": 1,
    "dequeueCount": 1,
}


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
async def client(cloud: ScriptedCloud, pauses: list[float]) -> AsyncIterator[CmqClient]:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with CmqClient(cloud.access, sleep=sleep) as client:
        yield client


def is_signed(asked: Asked, host: str) -> bool:
    params = asked.form
    signature = params.pop("Signature")
    source = f"POST{host}/v2/index.php?" + "&".join(f"{name}={params[name]}" for name in sorted(params))
    digest = hmac.new(SECRET_KEY.encode(), source.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() == signature


async def test_a_request_is_a_signed_form_with_every_common_parameter(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({**OK, "msgId": "m1"})
    assert await client.send("jobs", "a b+c/ü@_", delay_seconds=3) == "m1"
    asked = cloud.asked[0]
    assert asked.line == "POST /v2/index.php HTTP/1.1"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert is_signed(asked, cloud.endpoint.removeprefix("http://"))
    form = asked.form
    assert form["Action"] == "SendMessage"
    assert (form["queueName"], form["msgBody"], form["delaySeconds"]) == ("jobs", "a b+c/ü@_", "3")
    assert (form["SecretId"], form["SignatureMethod"]) == (SECRET_ID, "HmacSHA256")
    assert abs(int(form["Timestamp"]) - time.time()) < 60
    assert 0 < int(form["Nonce"]) < 2**63
    assert "Token" not in form


async def test_temporary_credentials_send_their_token(cloud: ScriptedCloud) -> None:
    cloud.answer(EMPTY)
    async with CmqClient(replace(cloud.access, token="t0ken")) as client:
        await client.receive("jobs")
    assert cloud.asked[0].form["Token"] == "t0ken"
    assert is_signed(cloud.asked[0], cloud.endpoint.removeprefix("http://"))


async def test_received_messages_are_typed(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({**OK, "msgInfoList": [INFO, {**INFO, "msgId": "m2"}]})
    messages = await client.receive("jobs", max_messages=5, wait_seconds=0)
    assert [message.message_id for message in messages] == ["m1", "m2"]
    assert (messages[0].body, messages[0].receipt_handle, messages[0].enqueue_time) == ("body", "r1", 1.0)
    form = cloud.asked[0].form
    assert (form["Action"], form["numOfMsg"], form["pollingWaitSeconds"]) == ("BatchReceiveMessage", "5", "0")


async def test_an_empty_queue_is_an_empty_list(cloud: ScriptedCloud, client: CmqClient, pauses: list[float]) -> None:
    cloud.answer(EMPTY, times=2)
    assert await client.receive("jobs") == []
    assert await client.receive("jobs", max_messages=1) == []
    assert pauses == []


async def test_a_receive_may_ask_for_one_and_wait_as_the_queue_says(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({**OK, "msgInfoList": [INFO]})
    [message] = await client.receive("jobs", max_messages=1, wait_seconds=None)
    assert message.message_id == "m1"
    assert cloud.asked[0].form["numOfMsg"] == "1"
    assert "pollingWaitSeconds" not in cloud.asked[0].form


@pytest.mark.parametrize("limits", [{"max_messages": 0}, {"max_messages": 17}, {"wait_seconds": 31}])
async def test_a_receive_beyond_the_limits_is_never_sent(
    cloud: ScriptedCloud, client: CmqClient, limits: dict[str, int]
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        await client.receive("jobs", **limits)
    assert cloud.asked == []


@pytest.mark.parametrize("code", [4000, 4440])
async def test_a_missing_queue_is_one_error_under_both_codes(
    cloud: ScriptedCloud, client: CmqClient, code: int
) -> None:
    cloud.answer({"code": code, "message": "(10100)queue is not existed,or deleted"})
    with pytest.raises(CmqQueueNotFoundError, match="'jobs'"):
        await client.receive("jobs")


async def test_deletions_go_sixteen_a_call_and_failures_are_values(cloud: ScriptedCloud, client: CmqClient) -> None:
    handles = [f"h{number}" for number in range(35)]
    cloud.answer(OK)
    cloud.answer(
        {
            "code": 6010,
            "message": "delete message partially failed",
            "errorList": [{"code": 4430, "message": "invalid receiptHandle", "receiptHandle": "h20"}],
        }
    )
    cloud.answer({"code": 6020, "message": "batch delete message failed"})
    failures = await client.delete("jobs", handles)
    assert [failure.receipt_handle for failure in failures] == ["h20", "h32", "h33", "h34"]
    assert failures[0] == DeleteFailure("h20", 4430, "invalid receiptHandle")
    sent = [[value for name, value in asked.form.items() if name.startswith("receiptHandle.")] for asked in cloud.asked]
    assert sent == [handles[:16], handles[16:32], handles[32:]]
    assert "receiptHandle.1" in cloud.asked[0].form


async def test_nothing_to_delete_asks_nothing(cloud: ScriptedCloud, client: CmqClient) -> None:
    assert await client.delete("jobs", []) == []
    assert cloud.asked == []


async def test_one_stale_handle_is_a_value_too(cloud: ScriptedCloud, client: CmqClient) -> None:
    stale = {"code": 4430, "message": "invalid receiptHandle", "receiptHandle": "h"}
    cloud.answer({"code": 6020, "message": "batch delete message failed", "errorList": [stale]})
    cloud.answer(OK)
    assert await client.delete_one("jobs", "h") == DeleteFailure("h", 4430, "invalid receiptHandle")
    assert await client.delete_one("jobs", "h") is None


async def test_a_batch_is_sent_in_calls_that_every_queue_takes(cloud: ScriptedCloud, client: CmqClient) -> None:
    large = "ü" * 20_000
    cloud.answer({**OK, "msgList": [{"msgId": "1"}, {"msgId": "2"}]})
    cloud.answer({**OK, "msgList": [{"msgId": "3"}]})
    assert await client.send_batch("jobs", ["a", large, large]) == ["1", "2", "3"]
    assert [asked.form["Action"] for asked in cloud.asked] == ["BatchSendMessage"] * 2
    assert cloud.asked[0].form["msgBody.1"] == "a"
    assert cloud.asked[1].form["msgBody.1"] == large


@given(st.lists(st.integers(0, 40_000) | st.integers(0, 10), max_size=60))
def test_batches_keep_every_body_in_order_and_within_the_limits(lengths: list[int]) -> None:
    bodies = [str(number % 10) * length for number, length in enumerate(lengths)]
    cut = list(batches(bodies))
    assert [body for batch in cut for body in batch] == bodies
    for batch in cut:
        assert 1 <= len(batch) <= MAX_MESSAGES
        assert len(batch) == 1 or sum(map(len, batch)) <= MAX_BATCH_BYTES


async def test_publishing_sends_tags_or_a_routing_key(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({**OK, "msgId": "m1"}, times=1)
    cloud.answer({**OK, "msgList": [{"msgId": "m2"}]})
    assert await client.publish("events", "x", tags=["a", "b"]) == "m1"
    assert await client.publish_batch("events", ["y"], routing_key="1.2") == ["m2"]
    first, second = (asked.form for asked in cloud.asked)
    assert (first["Action"], first["topicName"]) == ("PublishMessage", "events")
    assert (first["msgTag.1"], first["msgTag.2"]) == ("a", "b")
    assert (second["Action"], second["routingKey"], second["msgBody.1"]) == ("BatchPublishMessage", "1.2", "y")


async def test_a_publish_without_a_subscriber_is_an_error(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({"code": 6030, "message": "(10650)topic has no subscription"})
    with pytest.raises(CmqNoSubscriberError):
        await client.publish("events", "x")


async def test_failures_that_pass_are_survived_with_a_new_nonce_each(
    cloud: ScriptedCloud, client: CmqClient, pauses: list[float]
) -> None:
    cloud.cut()
    cloud.answer(b"Bad Gateway", status=502, content_type="text/html")
    cloud.answer({"code": 6000, "message": "(10050)server internal error"})
    cloud.answer({**OK, "msgInfoList": [INFO]})
    assert len(await client.receive("jobs")) == 1
    assert len(pauses) == 3
    assert len({asked.form["Nonce"] for asked in cloud.asked}) == 4


@pytest.mark.parametrize("code", [4420, 4480])
async def test_throttling_is_waited_out(
    cloud: ScriptedCloud, client: CmqClient, pauses: list[float], code: int
) -> None:
    cloud.answer({"code": code, "message": "(10250)qps throttling"})
    cloud.answer({**OK, "msgId": "m1"})
    assert await client.send("jobs", "x") == "m1"
    assert len(pauses) == 1


async def test_retries_can_be_switched_off(cloud: ScriptedCloud) -> None:
    cloud.answer({"code": 6000, "message": "(10050)server internal error"})
    async with CmqClient(cloud.access, retries=0) as client:
        with pytest.raises(CmqServerError):
            await client.receive("jobs")
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"oops", 500, "HTTP 500"),
        (b"<html>", 200, "not understood"),
        (b'{"code":"x","msgInfoList":[]}', 200, "not understood"),
        (b"", 302, "HTTP 302"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_names_the_address(
    cloud: ScriptedCloud, content: bytes, status: int, told: str
) -> None:
    cloud.answer(content, status=status, content_type="text/html")
    async with CmqClient(cloud.access, retries=0) as client:
        with pytest.raises(TransportError, match=told) as error:
            await client.receive("jobs")
    assert "BatchReceiveMessage" in str(error.value)
    assert cloud.endpoint in str(error.value)


async def test_an_answer_that_is_cut_off_is_a_transport_error(cloud: ScriptedCloud) -> None:
    cloud.cut(after=b'{"code":0,"message":"","msgInfoList":[]}')
    async with CmqClient(cloud.access, retries=0) as client:
        with pytest.raises(TransportError, match="no answer"):
            await client.receive("jobs")


async def test_an_address_without_a_server_is_a_transport_error() -> None:
    access = CloudAccess.at_endpoint("http://127.0.0.1:9", SECRET_ID, SECRET_KEY)
    async with CmqClient(access, retries=0) as client:
        with pytest.raises(TransportError, match=r"127\.0\.0\.1:9"):
            await client.receive("jobs")


async def test_a_server_that_hangs_is_given_up(cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_batch_events.protocol.cmq.ANSWER_TIMEOUT", 0.1)
    cloud.hang()
    async with CmqClient(cloud.access, retries=0) as client:
        with pytest.raises(TransportError, match=r"timed out after 0\.1 s"):
            await client.receive("jobs", wait_seconds=0)


async def test_a_caller_may_give_a_slow_queue_more_time(cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_batch_events.protocol.cmq.ANSWER_TIMEOUT", 0.1)
    cloud.hang()
    async with CmqClient(cloud.access, retries=0, timeout=60) as client:
        poll = asyncio.create_task(client.receive("jobs", wait_seconds=0))
        await cloud.until_hanging(1)
        await asyncio.sleep(0.3)
        cloud.answer(EMPTY)
        cloud.release.set()
        assert await poll == []


async def test_the_client_stays_usable_after_a_cancelled_long_poll(cloud: ScriptedCloud) -> None:
    cloud.hang()
    async with CmqClient(cloud.access) as client:
        poll = asyncio.create_task(client.receive("jobs", wait_seconds=30))
        await cloud.until_hanging(1)
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
        cloud.answer(EMPTY)
        assert await client.receive("jobs") == []


async def test_long_polls_do_not_keep_other_calls_waiting(cloud: ScriptedCloud) -> None:
    for _ in range(20):
        cloud.hang()
    async with CmqClient(cloud.access) as client:
        polls = [asyncio.create_task(client.receive("jobs")) for _ in range(20)]
        await cloud.until_hanging(20)
        cloud.answer({**OK, "msgId": "m1"})
        assert await client.send("jobs", "x") == "m1"
        cloud.answer(EMPTY, times=20)
        cloud.release.set()
        assert await asyncio.gather(*polls) == [[]] * 20


async def test_connections_are_kept(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer(EMPTY, times=5)
    for _ in range(5):
        await client.receive("jobs")
    assert cloud.connections == 1


async def test_a_machine_with_a_wrong_clock_signs_with_the_clouds_time(cloud: ScriptedCloud) -> None:
    date = time.time() + 7200
    clock = Dates()
    cloud.answer(REFUSED, date=date)
    cloud.answer(EMPTY, date=date, times=2)
    async with CmqClient(cloud.access, retries=0, clock=clock) as client:
        assert await client.receive("jobs") == []
        assert await client.receive("jobs") == []
    first, second, third = (int(asked.form["Timestamp"]) for asked in cloud.asked)
    assert abs(first - time.time()) < 60
    assert abs(second - date) < 60
    assert abs(third - date) < 60
    assert clock.learned == [(int(date), False), (int(date), True), (int(date), True)]


@pytest.mark.parametrize("off", [0.0, 7200.0])
async def test_a_refused_key_stays_refused(cloud: ScriptedCloud, client: CmqClient, off: float) -> None:
    cloud.answer(REFUSED, date=time.time() + off, times=2)
    with pytest.raises(CmqCredentialsError):
        await client.receive("jobs")
    assert len(cloud.asked) == (2 if off else 1)


async def test_no_secret_reaches_the_log_or_an_exception(
    cloud: ScriptedCloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.answer(EMPTY)
    cloud.cut()
    with caplog.at_level(logging.DEBUG):
        async with CmqClient(replace(cloud.access, token="t0ken"), retries=0) as client:
            await client.receive("jobs")
            with pytest.raises(TransportError) as error:
                await client.receive("jobs")
    for secret in (SECRET_KEY, "t0ken"):
        assert secret not in caplog.text
        assert secret not in repr(error.value)
        assert secret not in repr(vars(client))


def test_a_client_without_an_address_says_where_to_find_one() -> None:
    with pytest.raises(ConfigurationError, match="cmq_endpoint: copy it from the console"):
        CmqClient(CloudAccess(SECRET_ID, SECRET_KEY, "ap-guangzhou"))


async def test_a_proxy_is_used(cloud: ScriptedCloud) -> None:
    cloud.answer(EMPTY)
    access = replace(cloud.access, cmq_endpoint="http://queue.invalid", proxy=cloud.endpoint)
    async with CmqClient(access) as client:
        assert await client.receive("jobs") == []
    assert cloud.asked[0].line == "POST http://queue.invalid/v2/index.php HTTP/1.1"


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
async def test_the_environments_proxy_is_used(cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, cloud.endpoint.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "other.invalid")
    cloud.answer(EMPTY)
    async with CmqClient(replace(cloud.access, cmq_endpoint="http://queue.invalid")) as client:
        assert await client.receive("jobs") == []
    assert cloud.asked[0].line == "POST http://queue.invalid/v2/index.php HTTP/1.1"


async def test_an_address_in_no_proxy_is_called_directly(cloud: ScriptedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    cloud.answer(EMPTY)
    async with CmqClient(cloud.access) as client:
        assert await client.receive("jobs") == []
    assert cloud.asked[0].line == "POST /v2/index.php HTTP/1.1"


async def test_a_proxys_password_is_sent_to_it_and_never_shown(cloud: ScriptedCloud) -> None:
    cloud.answer(b"", status=407)
    proxy = cloud.endpoint.replace("://", "://me:pa55word@")
    access = replace(cloud.access, cmq_endpoint="https://queue.invalid", proxy=proxy)
    async with CmqClient(access, retries=0) as client:
        with pytest.raises(TransportError, match="407") as error:
            await client.receive("jobs")
    assert cloud.asked[0].line == "CONNECT queue.invalid:443 HTTP/1.1"
    assert cloud.asked[0].headers["proxy-authorization"] == f"Basic {base64.b64encode(b'me:pa55word').decode()}"
    assert "pa55word" not in "".join(traceback.format_exception(error.value))


async def test_an_absent_proxy_is_named_without_its_password(cloud: ScriptedCloud) -> None:
    access = replace(cloud.access, proxy="http://me:pa55word@127.0.0.1:9")
    async with CmqClient(access, retries=0) as client:
        with pytest.raises(TransportError, match=r"through the proxy 127\.0\.0\.1:9: ") as error:
            await client.receive("jobs")
    assert "pa55word" not in "".join(traceback.format_exception(error.value))


async def test_a_proxy_of_an_unknown_kind_is_refused_and_not_shown(cloud: ScriptedCloud) -> None:
    client = CmqClient(replace(cloud.access, proxy="socks5://me:pa55word@proxy.invalid"))
    with pytest.raises(ConfigurationError, match=r"connection 'test': a proxy .* must begin with http") as error:
        await client.__aenter__()
    assert "pa55word" not in str(error.value)


async def test_closing_the_client_ends_the_calls_under_way(cloud: ScriptedCloud) -> None:
    cloud.hang()
    client = CmqClient(cloud.access, retries=0)
    await client.__aenter__()
    poll = asyncio.create_task(client.receive("jobs", wait_seconds=30))
    await cloud.until_hanging(1)
    await client.aclose()
    with pytest.raises(TransportError, match="no answer"):
        await asyncio.wait_for(poll, 60)


async def test_messages_that_cannot_be_read_are_told_once_a_queue(
    cloud: ScriptedCloud, client: CmqClient, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.answer({**OK, "msgInfoList": [{**INFO, "msgBody": None}, INFO]}, times=3)
    for queue in ("jobs", "jobs", "others"):
        assert [message.body for message in await client.receive(queue)] == ["body"]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["jobs", "others"]


@pytest.mark.parametrize("code", [0, 4430, 6010, 6020])
async def test_a_queue_that_refuses_an_impossible_message_exists(
    cloud: ScriptedCloud, client: CmqClient, code: int
) -> None:
    cloud.answer({"code": code, "message": "(10260)receipt handle is invalid"})
    await client.check_queue("jobs")
    assert cloud.asked[0].form["Action"] == "BatchDeleteMessage"
    assert cloud.asked[0].form["receiptHandle.1"] == "0"


async def test_a_refused_handle_says_nothing_of_the_queue(cloud: ScriptedCloud, client: CmqClient) -> None:
    cloud.answer({"code": 4000, "message": "(10470)receiptHandle error"})
    await client.check_queue("jobs")


@pytest.mark.parametrize(
    ("code", "module", "error"),
    [(4440, 10100, CmqQueueNotFoundError), (4000, 10100, CmqQueueNotFoundError), (4100, 10030, CmqCredentialsError)],
)
async def test_any_other_answer_about_a_queue_is_an_error(
    cloud: ScriptedCloud, client: CmqClient, code: int, module: int, error: type[Exception]
) -> None:
    cloud.answer({"code": code, "message": f"({module})why"})
    with pytest.raises(error, match="'jobs'"):
        await client.check_queue("jobs")


async def test_what_cannot_be_sent_is_refused_before_it_is(cloud: ScriptedCloud, client: CmqClient) -> None:
    odd = "x\ud800"
    for call in (client.check_queue(odd), client.send("jobs", odd), client.publish_batch("events", [odd])):
        with pytest.raises(ConfigurationError, match="lone surrogate"):
            await call
    assert cloud.asked == []
