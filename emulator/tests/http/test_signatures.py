# SPDX-License-Identifier: Apache-2.0
"""Signatures of the APIs: TC3-HMAC-SHA256."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.signed_client import sign_tc3
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.http.signatures import (
    Signed,
    Tc3Verifier,
)
from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.keys import KeyRing

SECRET_ID = "AKIDEXAMPLEEXAMPLEEXAMPLEEXAMPLE0000"
PUBLISHED_KEY = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
PUBLISHED_TIME = 1551113065
PUBLISHED_BODY = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
PUBLISHED_SIGNATURE = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


# What can be in a header, as ASGI servers hand it on.
LATIN = st.text(st.characters(codec="latin-1"))


class Tc3:
    """A verifier with one key, and requests for it that a test can bend."""

    def __init__(self, secret_key: str = PUBLISHED_KEY, now: float = PUBLISHED_TIME) -> None:
        self.clock = Clock(now, running=False)
        self.keys = KeyRing()
        self.key = self.keys.create(secret_id=SECRET_ID, secret_key=secret_key)
        self.verifier = Tc3Verifier(self.keys, self.clock)

    def sign(
        self,
        *,
        method: str = "POST",
        query: str = "",
        body: bytes = b"{}",
        payload: bytes | None = None,
        signed: tuple[str, ...] = ("content-type", "host"),
        secret_id: str = SECRET_ID,
        secret_key: str | None = None,
        service: str = "batch",
        date: str | None = None,
        timestamp: int | None = None,
        **headers: str,
    ) -> dict[str, str]:
        stamp = timestamp if timestamp is not None else int(self.clock.time())
        sent = {
            "content-type": "application/json",
            "host": "127.0.0.1:1234",
            "x-tc-timestamp": str(stamp),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        sent["authorization"] = sign_tc3(
            sent,
            secret_id,
            secret_key or self.key.secret_key,
            method=method,
            query=query,
            payload=(b"" if method == "GET" else body) if payload is None else payload,
            service=service,
            signed=signed,
            date=date,
        )
        return sent

    def verify(self, headers: dict[str, str], method: str = "POST", query: str = "", body: bytes = b"{}") -> Signed:
        return self.verifier.verify(method, query, headers, body)

    def refusal(self, headers: dict[str, str], method: str = "POST", query: str = "", body: bytes = b"{}") -> str:
        with pytest.raises(ApiError) as refused:
            self.verify(headers, method, query, body)
        assert self.key.secret_key not in str(refused.value)
        return refused.value.code


@pytest.fixture
def tc3() -> Tc3:
    return Tc3()


def test_the_published_tc3_example_is_accepted(tc3: Tc3) -> None:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": "cvm.tencentcloudapi.com",
        "x-tc-timestamp": str(PUBLISHED_TIME),
        "authorization": f"TC3-HMAC-SHA256 Credential={SECRET_ID}/2019-02-25/cvm/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={PUBLISHED_SIGNATURE}",
    }

    signed = tc3.verify(headers, body=PUBLISHED_BODY)

    assert (signed.key.secret_id, signed.service) == (SECRET_ID, "cvm")
    assert tc3.refusal(headers, body=PUBLISHED_BODY + b" ") == "AuthFailure.SignatureFailure"


def test_any_set_of_signed_headers_is_verified(tc3: Tc3) -> None:
    signed = ("content-type", "host", "x-tc-action", "x-tc-region")
    headers = tc3.sign(signed=signed, x_tc_action="SubmitJob", x_tc_region="ap-guangzhou")

    assert tc3.verify(headers).key == tc3.key
    assert tc3.refusal({**headers, "x-tc-action": "DeleteJob"}) == "AuthFailure.SignatureFailure"


def test_a_get_request_signs_its_query_as_it_was_sent(tc3: Tc3) -> None:
    query = "Filters.0.Name=zone&Filters.0.Values.0=ap-guangzhou-6&x=%2F+"
    headers = tc3.sign(method="GET", query=query, content_type="application/x-www-form-urlencoded")

    assert tc3.verify(headers, "GET", query, b"").key == tc3.key
    assert tc3.refusal(headers, "GET", query.replace("%2F", "/"), b"") == "AuthFailure.SignatureFailure"


def test_a_payload_may_be_left_unsigned_when_the_request_says_so(tc3: Tc3) -> None:
    headers = tc3.sign(payload=b"UNSIGNED-PAYLOAD", x_tc_content_sha256="UNSIGNED-PAYLOAD")

    assert tc3.verify(headers, body=b"anything").key == tc3.key
    del headers["x-tc-content-sha256"]
    assert tc3.refusal(headers) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("off", [-300, 300])
def test_a_timestamp_may_be_five_minutes_off(tc3: Tc3, off: int) -> None:
    assert tc3.verify(tc3.sign(timestamp=PUBLISHED_TIME + off)).key == tc3.key


@pytest.mark.parametrize("off", [-301, 301, -100000])
def test_a_timestamp_further_off_has_expired(tc3: Tc3, off: int) -> None:
    assert tc3.refusal(tc3.sign(timestamp=PUBLISHED_TIME + off)) == "AuthFailure.SignatureExpire"


def test_moving_the_clock_locks_nobody_out(tc3: Tc3) -> None:
    tc3.clock.advance(7200)

    assert tc3.verify(tc3.sign(timestamp=PUBLISHED_TIME)).key == tc3.key
    assert tc3.verify(tc3.sign(timestamp=PUBLISHED_TIME + 7200)).key == tc3.key
    assert tc3.refusal(tc3.sign(timestamp=PUBLISHED_TIME + 3600)) == "AuthFailure.SignatureExpire"


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"secret_id": "AKIDnobody"}, "AuthFailure.SecretIdNotFound"),
        ({"secret_id": f"{SECRET_ID} "}, "AuthFailure.InvalidAuthorization"),
        ({"date": "2019-02-24"}, "AuthFailure.SignatureFailure"),
        ({"signed": ("content-type", "x-tc-timestamp")}, "AuthFailure.SignatureFailure"),
        ({"signed": ("host",)}, "AuthFailure.SignatureFailure"),
        ({"x_tc_token": "a-token"}, "AuthFailure.TokenFailure"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_clouds_code(tc3: Tc3, bent: dict[str, Any], code: str) -> None:
    assert tc3.refusal(tc3.sign(**bent)) == code


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "SKIP",
        "Basic QUtJRDpzZWNyZXQ=",
        f"TC3-HMAC-SHA256 Credential={SECRET_ID}/2019-02-25/batch/tc3_request",
        f"TC3-HMAC-SHA256 Credential={SECRET_ID}/2019-02-25/batch, SignedHeaders=host, Signature={'0' * 64}",
        f"TC3-HMAC-SHA256 Credential={SECRET_ID}/2019-02-25/batch/tc3_request, SignedHeaders=host, Signature=zz",
    ],
)
def test_a_malformed_authorization_is_refused_as_such(tc3: Tc3, authorization: str) -> None:
    assert tc3.refusal({**tc3.sign(), "authorization": authorization}) == "AuthFailure.InvalidAuthorization"


@given(st.dictionaries(st.sampled_from(["authorization", "x-tc-timestamp", "host", "content-type"]), LATIN))
def test_no_headers_bring_the_verifier_down(headers: dict[str, str]) -> None:
    tc3 = Tc3()
    with pytest.raises(ApiError):
        tc3.verify({**tc3.sign(secret_key="wrong"), **headers})


def test_a_signature_is_good_for_one_service_only(tc3: Tc3) -> None:
    headers = tc3.sign(service="batch")

    assert tc3.verify(headers).service == "batch"
    moved = headers["authorization"].replace("/batch/", "/tdmq/")
    assert tc3.refusal({**headers, "authorization": moved}) == "AuthFailure.SignatureFailure"


def sign_as_nodejs(tc3: Tc3, endpoint: str, body: bytes, method: str = "POST") -> dict[str, str]:
    """Sign as the vendor's SDK for Node.js: the host without its port, the endpoint's first label as the service."""
    sent = {
        "content-type": "application/json",
        "host": endpoint.rpartition(":")[0],
        "x-tc-timestamp": str(int(tc3.clock.time())),
    }
    parts: dict[str, Any] = {"method": method, "query": "", "payload": body, "service": endpoint.split(".")[0]}
    return {**sent, "host": endpoint, "authorization": sign_tc3(sent, SECRET_ID, tc3.key.secret_key, **parts)}


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("127.0.0.1:8700", "127"),
        ("localhost:8700", "localhost:8700"),
        ("[::1]:8700", "[::1]:8700"),
        ("batch.tencentcloudapi.com:8700", "batch"),
    ],
)
def test_a_host_may_be_signed_without_its_port(tc3: Tc3, endpoint: str, service: str) -> None:
    headers = sign_as_nodejs(tc3, endpoint, b"{}")

    assert tc3.verify(headers) == Signed(tc3.key, service)
    assert tc3.refusal(headers, body=b"[]") == "AuthFailure.SignatureFailure"
    assert tc3.refusal({**headers, "host": "evil.example:8700"}) == "AuthFailure.SignatureFailure"
    moved = headers["authorization"].replace(f"/{service}/", "/tdmq/")
    assert tc3.refusal({**headers, "authorization": moved}) == "AuthFailure.SignatureFailure"


def test_a_port_that_was_signed_must_be_there(tc3: Tc3) -> None:
    headers = tc3.sign()

    assert tc3.refusal({**headers, "host": "127.0.0.1"}) == "AuthFailure.SignatureFailure"
    assert tc3.refusal({**headers, "host": "127.0.0.1:1235"}) == "AuthFailure.SignatureFailure"


@pytest.mark.parametrize("service", ["", "a/b", "a,b", "a b", "\u00fc", "x" * 65])
def test_a_scope_that_no_endpoint_can_give_is_malformed(tc3: Tc3, service: str) -> None:
    headers = tc3.sign()
    authorization = headers["authorization"].replace("/batch/", f"/{service}/")

    assert tc3.refusal({**headers, "authorization": authorization}) == "AuthFailure.InvalidAuthorization"


def test_a_temporary_key_needs_its_token_and_ends(tc3: Tc3) -> None:
    key = tc3.keys.issue_temporary(tc3.key.account, PUBLISHED_TIME + 100)
    sign: dict[str, Any] = {"secret_id": key.secret_id, "secret_key": key.secret_key}

    assert tc3.verify(tc3.sign(**sign, x_tc_token=key.token or "")).key == key
    assert tc3.refusal(tc3.sign(**sign)) == "AuthFailure.TokenFailure"
    assert tc3.refusal(tc3.sign(**sign, x_tc_token="other")) == "AuthFailure.TokenFailure"
    tc3.clock.advance(100)
    assert tc3.refusal(tc3.sign(**sign, x_tc_token=key.token or "")) == "AuthFailure.TokenFailure"


def test_a_disabled_key_is_like_none(tc3: Tc3) -> None:
    tc3.keys.disable(SECRET_ID)

    assert tc3.refusal(tc3.sign()) == "AuthFailure.SecretIdNotFound"
