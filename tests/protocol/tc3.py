# SPDX-License-Identifier: Apache-2.0
"""The signature of the TC3 APIs, made again from the published rules."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone

from protocol.scripted_cloud import SECRET_ID, SECRET_KEY, Asked


def tc3_signature(secret_key: str, service: str, asked: Asked) -> str:
    """Sign a request again, from the published rules."""
    signed = ("content-type", "host")
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{asked.headers[name]}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    timestamp = asked.headers["x-tc-timestamp"]
    date = datetime.fromtimestamp(int(timestamp), timezone.utc).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def assert_signed(asked: Asked, service: str) -> None:
    timestamp = int(asked.headers["x-tc-timestamp"])
    date = datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d")
    assert asked.headers["authorization"] == (
        f"TC3-HMAC-SHA256 Credential={SECRET_ID}/{date}/{service}/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={tc3_signature(SECRET_KEY, service, asked)}"
    )
