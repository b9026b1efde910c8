# SPDX-License-Identifier: Apache-2.0
"""Signatures of the data plane: HmacSHA1 and HmacSHA256."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.http.signatures import (
    DataPlaneRefusal,
    DataPlaneVerifier,
    data_plane_signature,
)
from tencent_batch_emulator.services.keys import KeyRing

SECRET_ID = "AKIDEXAMPLEEXAMPLEEXAMPLEEXAMPLE0000"

CMQ_KEY = "EXAMPLEKEYEXAMPLEKEYEXAMPLEKEY00"
CMQ_HOST = "cmq-gz.public.tencenttdmq.com"
CMQ_TIME = 1534154812
CMQ_PARAMS = {
    "Action": "SendMessage",
    "Nonce": "2889712707386595659",
    "RequestClient": "SDK_Python_1.3",
    "SecretId": SECRET_ID,
    "Timestamp": str(CMQ_TIME),
    "clientRequestId": "1231231231",
    "delaySeconds": "0",
    "msgBody": "msg",
    "queueName": "test1",
}


class Cmq:
    """A data-plane verifier with one key."""

    def __init__(self) -> None:
        self.clock = Clock(CMQ_TIME, running=False)
        self.keys = KeyRing()
        self.key = self.keys.create(secret_id=SECRET_ID, secret_key=CMQ_KEY)
        self.verifier = DataPlaneVerifier(self.keys, self.clock)

    def accepts(self, params: dict[str, str], method: str = "POST", host: str = CMQ_HOST) -> bool:
        return self.verifier.verify(method, host, params) == self.key

    def refusal(self, params: dict[str, str], method: str = "POST", host: str = CMQ_HOST) -> tuple[int, str]:
        with pytest.raises(DataPlaneRefusal) as refused:
            self.verifier.verify(method, host, params)
        assert CMQ_KEY not in str(refused.value)
        return refused.value.code, refused.value.message.partition(")")[0] + ")"


@pytest.fixture
def cmq() -> Cmq:
    return Cmq()


def signed(method: str = "POST", host: str = CMQ_HOST, key: str = CMQ_KEY, **changes: str) -> dict[str, str]:
    params = {name: value for name, value in {**CMQ_PARAMS, **changes}.items() if value}
    return {**params, "Signature": data_plane_signature(key, method, host, params)}


@pytest.mark.parametrize(
    ("signature_method", "signature"),
    [
        ("HmacSHA1", "qghz1y0AZjPbQe4vG+PzfcMHeEw="),
        ("HmacSHA256", "lBi7uBRzd2EFwos6vu/t4MPJe8/D9sNInHOtkyn02oA="),
    ],
)
def test_the_reference_signatures_of_the_data_plane_are_accepted(
    cmq: Cmq, signature_method: str, signature: str
) -> None:
    # The vector's string to sign names no SignatureMethod for SHA-1, and the method's own name for SHA-256.
    source = f"POST{CMQ_HOST}/v2/index.php?" + "&".join(f"{name}={CMQ_PARAMS[name]}" for name in sorted(CMQ_PARAMS))
    if signature_method == "HmacSHA256":
        source = source.replace("&Timestamp", "&SignatureMethod=HmacSHA256&Timestamp")
    else:
        source = source.replace("&Timestamp", "&SignatureMethod=HmacSHA1&Timestamp")
    digest = {"HmacSHA1": hashlib.sha1, "HmacSHA256": hashlib.sha256}[signature_method]
    assert base64.b64encode(hmac.new(CMQ_KEY.encode(), source.encode(), digest).digest()).decode() == signature

    assert cmq.accepts({**CMQ_PARAMS, "SignatureMethod": signature_method, "Signature": signature})


def test_names_are_sorted_by_byte_before_underscores_become_dots(cmq: Cmq) -> None:
    params = {**CMQ_PARAMS, "a_b": "1", "a.a": "2", "msgBody.10": "x", "msgBody.2": "y"}
    order = [
        *("Action", "Nonce", "RequestClient", "SecretId", "Timestamp", "a.a", "a_b", "clientRequestId"),
        *("delaySeconds", "msgBody", "msgBody.10", "msgBody.2", "queueName"),
    ]
    text = "&".join(f"{name.replace('_', '.')}={params[name]}" for name in order)
    digest = hmac.new(CMQ_KEY.encode(), f"POST{CMQ_HOST}/v2/index.php?{text}".encode(), hashlib.sha1).digest()

    assert cmq.accepts({**params, "Signature": base64.b64encode(digest).decode()})


def test_the_port_in_the_host_and_the_method_are_signed(cmq: Cmq) -> None:
    assert cmq.accepts(signed("GET", "127.0.0.1:8080"), "GET", "127.0.0.1:8080")
    assert cmq.refusal(signed("GET", "127.0.0.1:8080"), "POST", "127.0.0.1:8080") == (4100, "(10030)")
    assert cmq.refusal(signed("GET", "127.0.0.1:8080"), "GET", "127.0.0.1") == (4100, "(10030)")


def test_the_data_plane_s_host_may_be_signed_without_a_port(cmq: Cmq) -> None:
    assert cmq.accepts(signed("POST", "127.0.0.1", Nonce="1"), "POST", "127.0.0.1:8080")
    fewer = {**signed("POST", "127.0.0.1", msgBody="", Nonce="2"), "msgBody": "@all"}
    assert cmq.accepts(fewer, "POST", "127.0.0.1:8080")
    assert cmq.refusal(signed("POST", "127.0.0.2", Nonce="3"), "POST", "127.0.0.1:8080") == (4100, "(10030)")


def test_a_posted_value_with_at_may_be_signed_or_left_out(cmq: Cmq) -> None:
    whole = signed(msgBody="@all", Nonce="1")
    fewer = {**signed(msgBody="", Nonce="2"), "msgBody": "@all"}

    assert cmq.accepts(whole)
    assert cmq.accepts(fewer)
    fewer_get = {**signed("GET", msgBody="", Nonce="3"), "msgBody": "@all"}
    assert cmq.refusal(fewer_get, "GET") == (4100, "(10030)")


@pytest.mark.parametrize("name", ["Action", "SecretId", "Timestamp", "Nonce", "Signature"])
def test_a_common_parameter_that_is_missing_is_named(cmq: Cmq, name: str) -> None:
    params = signed()
    del params[name]

    with pytest.raises(DataPlaneRefusal) as refused:
        cmq.verifier.verify("POST", CMQ_HOST, params)
    assert (refused.value.code, refused.value.message) == (4000, f"(10390)lacked of required parameter {name}")


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"SecretId": "EXAMPLE"}, (4000, "(10450)")),
        ({"SecretId": "AKIDnobody"}, (4100, "(10270)")),
        ({"key": "wrong"}, (4100, "(10030)")),
        ({"Timestamp": str(CMQ_TIME - 301)}, (4100, "(10030)")),
        ({"Timestamp": "yesterday"}, (4000, "(10360)")),
        ({"Nonce": "-1"}, (4000, "(10360)")),
    ],
)
def test_a_misfit_is_refused_with_the_documented_numbers(
    cmq: Cmq, changes: dict[str, str], answer: tuple[int, str]
) -> None:
    assert cmq.refusal(signed(**changes)) == answer


def test_a_request_that_comes_twice_is_refused_the_second_time(cmq: Cmq) -> None:
    assert cmq.accepts(signed())
    assert cmq.refusal(signed()) == (4100, "(10030)")
    assert cmq.refusal(signed(msgBody="another")) == (4100, "(10030)")
    assert cmq.accepts(signed(Nonce="7"))


def test_a_refused_request_does_not_use_up_its_nonce(cmq: Cmq) -> None:
    assert cmq.refusal(signed(key="wrong")) == (4100, "(10030)")
    assert cmq.accepts(signed())


def test_forgetting_nonces_lets_no_replay_in(cmq: Cmq) -> None:
    assert cmq.accepts(signed())
    cmq.clock = Clock(CMQ_TIME + 301, running=False)
    later = DataPlaneVerifier(cmq.keys, cmq.clock)
    later._seen = cmq.verifier._seen
    later.verify("POST", CMQ_HOST, signed(Timestamp=str(CMQ_TIME + 301)))

    assert list(later._seen) == [CMQ_TIME + 301]
    with pytest.raises(DataPlaneRefusal):
        later.verify("POST", CMQ_HOST, signed())


def test_a_temporary_key_of_the_data_plane_needs_its_token(cmq: Cmq) -> None:
    key = cmq.keys.issue_temporary(1, CMQ_TIME + 10)
    params = {"key": key.secret_key, "SecretId": key.secret_id}

    assert cmq.refusal(signed(**params)) == (4100, "(10030)")
    assert cmq.verifier.verify("POST", CMQ_HOST, signed(**params, Token=key.token or "")) == key
    cmq.clock.advance(10)
    assert cmq.refusal(signed(**params, Token=key.token or "")) == (4100, "(10030)")


def test_a_disabled_key_of_the_data_plane_has_a_code_of_its_own(cmq: Cmq) -> None:
    cmq.keys.disable(SECRET_ID)

    assert cmq.refusal(signed()) == (4100, "(10080)")


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "Token"), st.text(), max_size=5))
def test_whatever_is_signed_is_accepted_and_nothing_else(extra: dict[str, str]) -> None:
    cmq = Cmq()
    params = {**extra, **CMQ_PARAMS, "Signature": ""}
    params = {name: value.encode("utf-8", "ignore").decode() for name, value in params.items()}
    params["Signature"] = data_plane_signature(CMQ_KEY, "GET", CMQ_HOST, params)

    assert cmq.accepts(params, "GET")
    assert cmq.refusal({**params, "queueName": "other"}, "GET") == (4100, "(10030)")
