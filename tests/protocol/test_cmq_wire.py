# SPDX-License-Identifier: Apache-2.0
"""The data plane's signature, answers and error codes, checked against published and independent results."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl

import pytest
from cmq.sign import Sign
from hypothesis import given
from hypothesis import strategies as st
from protocol.scripted_cloud import SECRET_ID, SECRET_KEY

from airflow_batch_events.exceptions import (
    CmqBeingReleasedError,
    CmqCredentialsError,
    CmqError,
    CmqNoSubscriberError,
    CmqOverdueError,
    CmqParameterError,
    CmqQueueFullError,
    CmqQueueNotFoundError,
    CmqServerError,
    CmqStaleHandleError,
    CmqThrottledError,
    CmqTooLargeError,
    CmqTooManyUnackedError,
    CmqTopicNotFoundError,
)
from airflow_batch_events.protocol.cmq_wire import (
    Answer,
    DeleteFailure,
    Message,
    SignatureMethod,
    error_of,
    numbered,
    parse_answer,
    sign,
    signed_form,
    source_string,
)

HOST = "cmq-gz.public.tencenttdmq.com"
PARAMS = {
    "Action": "SendMessage",
    "Nonce": "2889712707386595659",
    "RequestClient": "SDK_Python_1.3",
    "SecretId": SECRET_ID,
    "SignatureMethod": "HmacSHA1",
    "Timestamp": "1534154812",
    "clientRequestId": "1231231231",
    "delaySeconds": "0",
    "msgBody": "msg",
    "queueName": "test1",
}
SOURCE = (
    "POSTcmq-gz.public.tencenttdmq.com/v2/index.php?Action=SendMessage&Nonce=2889712707386595659"
    "&RequestClient=SDK_Python_1.3&SecretId=AKIDEXAMPLEEXAMPLEEXAMPLEEXAMPLE0000&SignatureMethod=HmacSHA1"
    "&Timestamp=1534154812&clientRequestId=1231231231&delaySeconds=0&msgBody=msg&queueName=test1"
)

bodies = st.text(st.characters(exclude_categories=["Cs"]))
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,12}", fullmatch=True).filter(lambda name: name != "Signature")


def test_the_source_string_is_that_of_the_vendors_example() -> None:
    shuffled = dict(reversed(PARAMS.items()))
    assert source_string("POST", HOST, shuffled) == SOURCE


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("HmacSHA1", "qghz1y0AZjPbQe4vG+PzfcMHeEw="),
        ("HmacSHA256", "lBi7uBRzd2EFwos6vu/t4MPJe8/D9sNInHOtkyn02oA="),
    ],
)
def test_signatures_equal_those_of_the_vendor_s_sdk(method: SignatureMethod, signature: str) -> None:
    params = {**PARAMS, "SignatureMethod": method}
    assert sign(SECRET_KEY, source_string("POST", HOST, params), method) == signature


def test_names_are_sorted_by_byte_before_underscores_become_dots() -> None:
    params = {"a_b": "1", "a.c": "2", "aZ": "3", "B": "4", **numbered("msgBody", list("xy"))}
    params["msgBody.10"] = "z"
    assert source_string("POST", "h", params).partition("?")[2] == (
        "B=4&a.c=2&aZ=3&a.b=1&msgBody.1=x&msgBody.10=z&msgBody.2=y"
    )


@given(st.dictionaries(names, bodies.filter(lambda body: not body.startswith("@")), max_size=8))
def test_any_request_is_signed_as_the_vendors_sdk_signs_it(params: dict[str, str]) -> None:
    vendors = Sign(SECRET_ID, SECRET_KEY).make(HOST, "/v2/index.php", params, "POST", "sha256").decode()
    assert sign(SECRET_KEY, source_string("POST", HOST, params), "HmacSHA256") == vendors


@given(st.dictionaries(names, bodies, max_size=8))
def test_a_form_arrives_as_it_was_signed(params: dict[str, str]) -> None:
    form = signed_form("127.0.0.1:8080", params, SECRET_KEY, "HmacSHA256")
    arrived = dict(parse_qsl(form.decode(), keep_blank_values=True, strict_parsing=True))
    signature = arrived.pop("Signature")
    assert arrived == params
    request = "&".join(f"{name.replace('_', '.')}={arrived[name]}" for name in sorted(arrived))
    source = f"POST127.0.0.1:8080/v2/index.php?{request}"
    expected = base64.b64encode(hmac.new(SECRET_KEY.encode(), source.encode(), hashlib.sha256).digest()).decode()
    assert signature == expected


@given(bodies)
def test_any_body_survives_the_answer(body: str) -> None:
    info = {
        "msgBody": body,
        "msgId": "1",
        "receiptHandle": "2",
        "enqueueTime": 10,
        "nextVisibleTime": 40,
        "firstDequeueTime": None,
        "dequeueCount": 3,
        "newField": {},
    }
    answer = parse_answer(json.dumps({"code": 0, "message": "", "requestId": "9", "msgInfoList": [info]}).encode())
    assert answer.messages == [Message(body, "1", "2", 10.0, 40.0, 3)]


def test_a_body_that_is_no_unicode_does_not_hide_the_others() -> None:
    bodies_on_the_wire = [rb'"\ud800"', b'"\xff"', b'"good"']
    infos = b",".join(
        b'{"msgBody":%s,"msgId":"m","receiptHandle":"r","enqueueTime":1}' % body for body in bodies_on_the_wire
    )
    answer = parse_answer(b'{"code":0,"message":"","msgInfoList":[%s]}' % infos)
    assert [message.body for message in answer.messages or []] == ["\ud800", "\ufffd", "good"]


GOOD = {"msgBody": "good", "msgId": "m", "receiptHandle": "r", "enqueueTime": 1}
HUGE = 10**400


@pytest.mark.parametrize(
    "fields",
    [
        {"msgBody": None},
        {"msgBody": 7},
        {"msgBody": {}},
        {"msgId": None},
        {"msgId": ""},
        {"msgId": []},
        {"receiptHandle": None},
        {"receiptHandle": True},
        {"enqueueTime": None},
        {"enqueueTime": "soon"},
        {"enqueueTime": []},
        {"enqueueTime": -1},
        {"enqueueTime": HUGE},
        {"enqueueTime": 1e300},
        {"enqueueTime": float("nan")},
        {"enqueueTime": float("-inf")},
    ],
    ids=str,
)
def test_an_unreadable_message_does_not_hide_its_batch(fields: dict[str, object]) -> None:
    content = json.dumps({"code": 0, "msgInfoList": [{**GOOD, **fields}, GOOD, GOOD]}).encode()
    answer = parse_answer(content)
    assert [message.body for message in answer.messages or []] == ["good", "good"]
    assert answer.unreadable == 1


@pytest.mark.parametrize("entry", [None, 7, "x", [], [GOOD], {}])
def test_no_message_hides_the_others(entry: object) -> None:
    answer = parse_answer(json.dumps({"code": 0, "msgInfoList": [GOOD, entry, GOOD]}).encode())
    assert len(answer.messages or []) == 2
    assert answer.unreadable == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"msgId": 12345678901234567890},
        {"receiptHandle": 2**63},
        {"dequeueCount": HUGE},
        {"dequeueCount": "often"},
        {"nextVisibleTime": float("nan")},
        {"nextVisibleTime": HUGE},
        {"nextVisibleTime": []},
        {"enqueueTime": "1.5"},
        {"firstDequeueTime": float("inf")},
    ],
    ids=str,
)
def test_a_bad_field_that_is_not_needed_costs_no_message(fields: dict[str, object]) -> None:
    answer = parse_answer(json.dumps({"code": 0, "msgInfoList": [{**GOOD, **fields}]}).encode())
    [message] = answer.messages or []
    assert message.body == "good"
    assert 0 <= message.enqueue_time < 10
    assert isinstance(message.message_id, str)
    assert isinstance(message.receipt_handle, str)
    assert answer.unreadable == 0


def test_a_number_of_thousands_of_digits_does_not_hide_a_batch() -> None:
    content = json.dumps({"code": 0, "msgInfoList": [GOOD, {**GOOD, "enqueueTime": 12321}]}).encode()
    answer = parse_answer(content.replace(b"12321", b"9" * 5000))
    assert [message.body for message in answer.messages or []] == ["good"]


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*GOOD, "code", "errorList"]), inner),
)


@given(anything)
def test_any_json_is_an_answer_or_a_value_error(value: object) -> None:
    for content in (value, {"code": 0, "msgInfoList": value}, {"code": 0, "msgInfoList": [value, GOOD]}):
        try:
            parse_answer(json.dumps(content).encode("utf-8", "surrogatepass"))
        except ValueError:
            continue


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b'{"message":""}', b'{"code":"x"}', b"\xff", b"[" * 100_000, b'{"code":NaN}']
)
def test_what_is_no_answer_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text differs
        parse_answer(content)


def test_an_answer_may_lack_everything_but_its_code() -> None:
    assert parse_answer(b'{"code":4000}') == Answer(4000)


def test_a_partial_deletion_names_its_failures() -> None:
    answer = parse_answer(
        b'{"code":6010,"message":"delete message partially failed","requestId":"1","errorList":'
        b'[{"code":4430,"message":"invalid receiptHandle","receiptHandle":"4364564575"}]}'
    )
    assert answer.failures == [DeleteFailure("4364564575", 4430, "invalid receiptHandle")]


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (4000, "(10010)lacked of required parameters", CmqParameterError),
        (4000, "(10430)action name CreateTopic is not existed", CmqParameterError),
        (4000, "(10450)secret id dosen't begin with AKID", CmqCredentialsError),
        (4000, "(10461)no cam authentication", CmqCredentialsError),
        (4000, "(10100)queue is not existed,or deleted", CmqQueueNotFoundError),
        (4000, "4440 (10100)queue is not existed,or deleted", CmqQueueNotFoundError),
        (4000, "(10600)topic is not existed,or deleted", CmqTopicNotFoundError),
        (4100, "(10030)authentication failed", CmqCredentialsError),
        (4100, "(10080)secret id status error", CmqCredentialsError),
        (4100, "(10270)secret id is not existed", CmqCredentialsError),
        (4300, "(10040)charge overdue", CmqOverdueError),
        (4400, "(10230)exceed maximum message size", CmqTooLargeError),
        (4410, "(10240)reach maximum retention number of message", CmqQueueFullError),
        (4420, "(10250)qps throttling", CmqThrottledError),
        (4430, "(10260)receipt handle is invalid", CmqStaleHandleError),
        (4440, "(10100)queue is not existed,or deleted", CmqQueueNotFoundError),
        (4440, "(10600)topic is not existed,or deleted", CmqTopicNotFoundError),
        (4440, "no module", CmqQueueNotFoundError),
        (4470, "(10300)total message size exceed 1MB", CmqTooLargeError),
        (4480, "(10460)exceed interface frequency limit, please slow down", CmqThrottledError),
        (6000, "(10050)server internal error", CmqServerError),
        (6030, "(10650)topic has no subscription", CmqNoSubscriberError),
        (6030, "(10730)no match", CmqNoSubscriberError),
        (6040, "(10660)resources are being released", CmqBeingReleasedError),
        (6040, "(10750)transaction confirmation failed", CmqError),
        (6070, "(10690)too many unacked(inactive messages) or delayed messages", CmqTooManyUnackedError),
        (5100, "(100004)projectId", CmqError),
        (9999, "", CmqError),
    ],
)
def test_every_code_has_its_exception(code: int, message: str, kind: type[CmqError]) -> None:
    error = error_of("BatchReceiveMessage", "jobs", Answer(code, message, "r-1"))
    assert type(error) is kind
    assert (error.code, error.name, error.request_id) == (code, "jobs", "r-1")
    assert all(part in str(error) for part in ("BatchReceiveMessage", "'jobs'", str(code), "r-1"))


def test_a_missing_topic_is_known_by_the_action() -> None:
    assert type(error_of("BatchPublishMessage", "events", Answer(4440))) is CmqTopicNotFoundError


def test_the_module_number_is_taken_out_of_the_text() -> None:
    error = error_of("SendMessage", "q", Answer(4420, "(10250)qps throttling"))
    assert (error.module, error.message) == (10250, "qps throttling")
    assert str(error) == "SendMessage of 'q': 4420 (10250) qps throttling (request unknown)"


@pytest.mark.parametrize("message", [f"({'9' * 5000})text", "9" * 100_000, "(\u0669)" + "x" * 100_000])
def test_a_text_without_an_end_makes_no_error_without_an_end(message: str) -> None:
    error = error_of("SendMessage", "q", Answer(4000, message, "r" * 100_000))
    assert type(error) is CmqParameterError
    assert len(str(error)) < 5000
