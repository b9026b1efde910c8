# SPDX-License-Identifier: Apache-2.0
"""
A client that signs by itself, so that the emulator is compared with the documentation and not with our own client.

Every request can be bent: other headers, another time, another key, another host.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

import httpx

VERSIONS = {"batch": "2017-03-12", "tdmq": "2020-02-17"}


def sign_tc3(
    headers: dict[str, str],
    secret_id: str,
    secret_key: str,
    *,
    method: str,
    query: str,
    payload: bytes,
    service: str,
    signed: tuple[str, ...] = ("content-type", "host"),
    date: str | None = None,
) -> str:
    """Return the ``Authorization`` header for headers that are named in lower case."""
    stamp = headers["x-tc-timestamp"]
    day = date or datetime.fromtimestamp(int(stamp), timezone.utc).strftime("%Y-%m-%d")
    names = ";".join(signed)
    lines = [f"{name}:{headers[name].lower()}" for name in signed]
    canonical = "\n".join([method, "/", query, *lines, "", names, hashlib.sha256(payload).hexdigest()])
    scope = f"{day}/{service}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"TC3{secret_key}".encode()
    for part in (day, service, "tc3_request", f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that happens on the other side of a connection."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited {seconds} s for nothing")


class SignedClient:
    """
    Call an emulator over HTTP.

    :param endpoint: Where it is.
    :param secret_id: The key's id.
    :param secret_key: The key.
    :param now: The time that requests are signed with.
    """

    def __init__(self, endpoint: str, secret_id: str, secret_key: str, now: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self.host = endpoint.removeprefix("http://")
        self.secret_id = secret_id
        self.secret_key = secret_key
        self._now = now
        self._nonces = itertools.count(1)
        limits = httpx.Limits(max_connections=2000, max_keepalive_connections=2000)
        self.http = httpx.AsyncClient(base_url=endpoint, trust_env=False, timeout=300, limits=limits)

    async def __aenter__(self) -> SignedClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.http.aclose()

    async def api(
        self, action: str, params: dict[str, Any] | None = None, *, service: str = "batch", **bent: Any
    ) -> dict[str, Any]:
        """Call a TC3 action and return what is in ``Response``."""
        response = await self.api_response(action, params, service=service, **bent)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        answer: dict[str, dict[str, Any]] = response.json()
        assert list(answer) == ["Response"]
        return answer["Response"]

    async def api_response(
        self,
        action: str,
        params: dict[str, Any] | None = None,
        *,
        service: str = "batch",
        method: str = "POST",
        content: bytes | None = None,
        secret_key: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Call a TC3 action; ``headers`` with underscores replace or add some, an empty one is left out."""
        body = json.dumps(params or {}).encode() if content is None else content
        query = urlencode(params or {}) if method == "GET" else ""
        sent = {
            "content-type": "application/json" if method == "POST" else "application/x-www-form-urlencoded",
            "host": self.host,
            "x-tc-action": action,
            "x-tc-version": VERSIONS.get(service, "2018-08-13"),
            "x-tc-region": "ap-guangzhou",
            "x-tc-timestamp": str(int(self._now())),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        sent = {name: value for name, value in sent.items() if value}
        payload = body if method == "POST" else b""
        sent["authorization"] = sign_tc3(
            sent,
            self.secret_id,
            secret_key or self.secret_key,
            method=method,
            query=query,
            payload=payload,
            service=service,
        )
        url = f"/?{query}" if query else "/"
        return await self.http.request(method, url, content=payload or None, headers=sent)

    def cmq_params(self, action: str, method: str, **params: object) -> dict[str, str]:
        """Return the signed parameters of a data-plane action."""
        sent = {
            "Action": action,
            "SecretId": self.secret_id,
            "Timestamp": str(int(self._now())),
            "Nonce": str(next(self._nonces)),
            "SignatureMethod": "HmacSHA256",
            **{name: str(value) for name, value in params.items()},
        }
        text = "&".join(f"{name.replace('_', '.')}={sent[name]}" for name in sorted(sent, key=str.encode))
        digest = hashlib.sha256 if sent["SignatureMethod"] == "HmacSHA256" else hashlib.sha1
        source = f"{method}{self.host}/v2/index.php?{text}"
        signature = hmac.new(self.secret_key.encode(), source.encode(), digest).digest()
        return {**sent, "Signature": base64.b64encode(signature).decode()}

    async def cmq(self, action: str, *, method: str = "POST", **params: object) -> dict[str, Any]:
        """Call a data-plane action and return its answer."""
        response = await self.cmq_response(self.cmq_params(action, method, **params), method)
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        return answer

    async def cmq_response(self, params: dict[str, str], method: str = "POST") -> httpx.Response:
        """Send signed parameters as they are; a POST has no Content-Type, like the vendor's SDK."""
        text = urlencode(params)
        if method == "GET":
            return await self.http.get(f"/v2/index.php?{text}")
        return await self.http.post("/v2/index.php", content=text.encode())
