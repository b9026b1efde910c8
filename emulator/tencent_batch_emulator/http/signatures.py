# SPDX-License-Identifier: Apache-2.0
"""
Who signed a request: TC3-HMAC-SHA256 for the APIs, HmacSHA1 and HmacSHA256 for the queue service's data plane.

Nothing runs before it has passed here. The list of signed headers is the request's own, never a fixed set; signatures
are compared in constant time; a refusal says what did not fit, and never what would have.

The Host is signed with its port by some of the vendor's SDKs and without it by others (Node.js), and some of them put
the first label of their endpoint into the scope as the service, which is ``127`` here (Java, Node.js, PHP, .NET, C++);
each of these is what the client has really signed, so each is taken.

Timestamps may be off by 300 s from the emulator's clock *or* from what that clock would show had no test advanced it:
the vendor's clients sign with the machine's time, and moving a queue's clock by an hour must not lock them out.

Sources:

- data plane: https://cloud.tencent.com/document/product/406/5906
- TC3, common parameters: https://www.tencentcloud.com/document/product/599/33211
- TC3, request structure: https://www.tencentcloud.com/document/product/599/30368
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.loopback import without_port
from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.keys import PREFIX, Key, KeyRing

MAX_DRIFT = 300
"""Seconds by which a request's timestamp may differ from the clock."""

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
DATA_PLANE_PATH = "/v2/index.php"

_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256\s+Credential=(?P<id>[^/,\s]+)/(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})/"
    r"(?P<service>[A-Za-z0-9_.:\[\]-]{1,64})/tc3_request\s*,"
    r"\s*SignedHeaders=(?P<headers>[!-+\--~]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_OBLIGATORY = frozenset({"content-type", "host"})
_DIGITS = re.compile(r"[1-9][0-9]{0,18}")
_MAX_SIGNING_KEYS = 1024


def is_timely(timestamp: int, clock: Clock) -> bool:
    """Whether a request signed at that time is neither too old nor from the future."""
    off = timestamp - clock.time()
    return abs(off) <= MAX_DRIFT or abs(off + clock.advanced) <= MAX_DRIFT


@dataclass(frozen=True, slots=True)
class Signed:
    """
    What a valid TC3 signature stands for.

    :param key: Whose it is.
    :param service: What its credential scope names as the service; whether there is such a one is not checked.
    """

    key: Key
    service: str


class Tc3Verifier:
    """
    Check TC3-HMAC-SHA256 signatures.

    :param keys: The keys that are accepted.
    :param clock: The emulator's clock.
    """

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._signing_keys: dict[tuple[str, str, str], bytes] = {}

    def verify(self, method: str, query: str, headers: Mapping[str, str], body: bytes) -> Signed:
        """
        Return who signed the request.

        :param method: ``GET`` or ``POST``.
        :param query: The query string exactly as it was sent.
        :param headers: By lower-case name.
        :param body: As it was sent.
        :raises ApiError: One of the ``AuthFailure`` codes.
        """
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
        if match is None:
            raise ApiError(
                "AuthFailure.InvalidAuthorization",
                "The Authorization header is missing or malformed. It reads: TC3-HMAC-SHA256 "
                "Credential=<SecretId>/<date>/<service>/tc3_request, SignedHeaders=<names>, Signature=<64 hex digits>.",
            )
        timestamp = self._timestamp(headers, match["date"])
        names = match["headers"].split(";")
        if not _OBLIGATORY.issubset(names):
            raise ApiError("AuthFailure.SignatureFailure", "SignedHeaders must name at least content-type and host.")
        key = self._keys.find(match["id"])
        if key is None or not key.enabled:
            raise ApiError("AuthFailure.SecretIdNotFound", "The SecretId is not found, please ensure it is correct.")
        signing_key = self._signing_key(key, match["date"], match["service"])
        scope = f"{match['date']}/{match['service']}/tc3_request"
        if not any(
            hmac.compare_digest(_tc3_signature(signing_key, timestamp, scope, canonical), match["signature"])
            for canonical in _canonical_requests(method, query, headers, names, match["headers"], body)
        ):
            raise ApiError(
                "AuthFailure.SignatureFailure",
                "The provided credentials could not be validated. Please check your signature is correct.",
            )
        _check_token(key, headers.get("x-tc-token"), self._clock.time())
        return Signed(key, match["service"])

    def _timestamp(self, headers: Mapping[str, str], date: str) -> str:
        text = headers.get("x-tc-timestamp", "")
        if not _DIGITS.fullmatch(text):
            raise ApiError("InvalidParameter", "The header X-TC-Timestamp must be a time in Unix seconds.")
        if not is_timely(int(text), self._clock):
            raise ApiError(
                "AuthFailure.SignatureExpire",
                "The signature has expired, please check your local time is correct: "
                f"X-TC-Timestamp differs by more than {MAX_DRIFT} seconds.",
            )
        if datetime.fromtimestamp(int(text), timezone.utc).strftime("%Y-%m-%d") != date:
            raise ApiError(
                "AuthFailure.SignatureFailure",
                "The date in the credential scope is not the UTC date of X-TC-Timestamp.",
            )
        return text

    def _signing_key(self, key: Key, date: str, service: str) -> bytes:
        scope = (key.secret_id, date, service)
        known = self._signing_keys.get(scope)
        if known is None:
            if len(self._signing_keys) >= _MAX_SIGNING_KEYS:
                self._signing_keys.clear()
            known = b"TC3" + key.secret_key.encode()
            for part in (date, service, "tc3_request"):
                known = hmac.digest(known, part.encode(), "sha256")
            self._signing_keys[scope] = known
        return known


def _canonical_requests(
    method: str, query: str, headers: Mapping[str, str], names: list[str], signed_headers: str, body: bytes
) -> list[bytes]:
    if any(name not in headers for name in names):
        raise ApiError("AuthFailure.SignatureFailure", "SignedHeaders names a header that the request does not have.")
    if headers.get("x-tc-content-sha256") == UNSIGNED_PAYLOAD:
        body = UNSIGNED_PAYLOAD.encode()
    elif method == "GET":
        body = b""
    payload = hashlib.sha256(body).hexdigest()
    query = query if method == "GET" else ""
    forms: dict[str, None] = {}
    for host in _hosts(headers["host"]):
        raw = "".join(f"{name}:{(host if name == 'host' else headers[name]).strip()}\n" for name in names)
        # The documentation lowers the values, some of the vendor's SDKs sign them as they are.
        forms |= dict.fromkeys((raw.lower(), raw))
    return [f"{method}\n/\n{query}\n{lines}\n{signed_headers}\n{payload}".encode("latin-1") for lines in forms]


def _hosts(host: str) -> tuple[str, ...]:
    """Return what a client may have signed as its Host."""
    bare = without_port(host)
    return (host,) if bare == host else (host, bare)


def _tc3_signature(signing_key: bytes, timestamp: str, scope: str, canonical: bytes) -> str:
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    return hmac.digest(signing_key, text.encode(), "sha256").hex()


def _check_token(key: Key, token: str | None, now: float) -> None:
    if key.token is None:
        if token:
            raise ApiError("AuthFailure.TokenFailure", "The token does not belong to this permanent key.")
        return
    if not hmac.compare_digest(key.token.encode(), (token or "").encode()):
        raise ApiError("AuthFailure.TokenFailure", "The token of the temporary key is missing or wrong.")
    if key.is_expired(now):
        raise ApiError("AuthFailure.TokenFailure", "The temporary key has expired.")


class DataPlaneRefusal(Exception):
    """
    The data plane does not accept a request.

    :param code: The outer code.
    :param message: The text, with the module number in parentheses at its head.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


class DataPlaneVerifier:
    """
    Check signatures of the queue service's data plane, and that no request comes twice.

    A nonce counts together with its timestamp: the vendor's Java SDK draws nonces from 31 bits, so at thousands of
    requests a second honest ones do meet within minutes.

    :param keys: The keys that are accepted.
    :param clock: The emulator's clock.
    """

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._seen: dict[int, set[tuple[str, int]]] = {}

    def verify(self, method: str, host: str, params: Mapping[str, str]) -> Key:
        """
        Return the key that signed the request.

        :param method: ``GET`` or ``POST``.
        :param host: The Host header, port included.
        :param params: All parameters, decoded.
        :raises DataPlaneRefusal: With the documented code and module number.
        """
        for name in ("Action", "SecretId", "Timestamp", "Nonce", "Signature"):
            if not params.get(name):
                raise DataPlaneRefusal(4000, f"(10390)lacked of required parameter {name}")
        for name in ("Timestamp", "Nonce"):
            if not _DIGITS.fullmatch(params[name]):
                raise DataPlaneRefusal(4000, f"(10360){name} parameter has a wrong type, it must be a positive integer")
        if not params["SecretId"].startswith(PREFIX):
            raise DataPlaneRefusal(4000, "(10450)secret id dosen't begin with AKID")
        key = self._keys.find(params["SecretId"])
        if key is None:
            raise DataPlaneRefusal(4100, "(10270)secret id is not existed")
        if not key.enabled:
            raise DataPlaneRefusal(4100, "(10080)secret id status error")
        if not _is_signed(method, host, params, key):
            raise DataPlaneRefusal(4100, "(10030)authentication failed")
        try:
            _check_token(key, params.get("Token"), self._clock.time())
        except ApiError as error:
            raise DataPlaneRefusal(4100, f"(10030)authentication failed, {error.message}") from None
        self._check_fresh(key, int(params["Timestamp"]), int(params["Nonce"]))
        return key

    def _check_fresh(self, key: Key, timestamp: int, nonce: int) -> None:
        if not is_timely(timestamp, self._clock):
            raise DataPlaneRefusal(
                4100, f"(10030)authentication failed, Timestamp differs by more than {MAX_DRIFT} seconds"
            )
        seen = self._seen.get(timestamp)
        if seen is None:
            # A new second comes once a second, so this is where old ones are let go.
            for old in [second for second in self._seen if not is_timely(second, self._clock)]:
                del self._seen[old]
            seen = self._seen[timestamp] = set()
        if (key.secret_id, nonce) in seen:
            raise DataPlaneRefusal(4100, "(10030)authentication failed, this Nonce was used before")
        seen.add((key.secret_id, nonce))


def data_plane_signature(secret_key: str, method: str, host: str, params: Mapping[str, str]) -> str:
    """
    Return the Base64 signature of a data-plane request.

    :param params: All parameters that are signed; ``Signature`` is left out by itself.
    """
    names = sorted((name for name in params if name != "Signature"), key=str.encode)
    request = "&".join([f"{name.replace('_', '.')}={params[name]}" for name in names])
    digest = "sha256" if params.get("SignatureMethod") == "HmacSHA256" else "sha1"
    source = f"{method}{host}{DATA_PLANE_PATH}?{request}"
    return base64.b64encode(hmac.digest(secret_key.encode(), source.encode("utf-8", "surrogatepass"), digest)).decode()


def _is_signed(method: str, host: str, params: Mapping[str, str], key: Key) -> bool:
    given = params["Signature"].encode("utf-8", "surrogatepass")
    forms: list[Mapping[str, str]] = [params]
    if method == "POST" and any(value.startswith("@") for value in params.values()):
        # One of the vendor's SDKs leaves such values out, another signs them; either form is an honest one.
        forms.append({name: value for name, value in params.items() if not value.startswith("@")})
    return any(
        hmac.compare_digest(data_plane_signature(key.secret_key, method, one, form).encode(), given)
        for form in forms
        for one in _hosts(host)
    )
